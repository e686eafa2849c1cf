"""Stacked policies: each row equals PEFT's result, whatever the other rows of the batch are."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from data.errors import UserError
from data.files import read_json, sha256_file
from data.policies import POLICIES
from data.sealed import write_card
from models import adapters, loading
from models.serving import StackedPolicies
from tests.little_policies import save_policies

CPU = torch.device("cpu")
IDS = torch.tensor([[5, 9, 2, 7, 30, 41]])


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def base(request, random_base, random_llama_base):
    return random_base if request.param == "gpt2" else random_llama_base


@pytest.fixture(scope="module")
def folders(base, tmp_path_factory):
    return save_policies(base, tmp_path_factory.mktemp("policies"), ranks=(4, 8, 4, 2))


def peft_logits(base, precision, folder):
    model = adapters.load(loading.load_causal(base, precision, CPU), folder, "one", base=base)
    with torch.inference_mode():
        return model.eval()(IDS).logits.float()


def distance(a, b):
    """Mean absolute difference, because batches of different sizes round differently."""
    return (a - b).abs().mean().item()


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_each_row_equals_its_adapter_under_peft(base, folders, precision):
    served = StackedPolicies(loading.load_causal(base, precision, CPU), base, folders)
    rows = [*POLICIES, "sft"]
    served.select(rows)
    with torch.inference_mode():
        ours = served.model(IDS.expand(len(rows), -1)).logits.float()
    expected = {name: peft_logits(base, precision, folder)[0] for name, folder in folders.items()}
    for row, name in enumerate(rows):
        assert distance(ours[row], expected[name]) < 0.05 * distance(expected["sft"], expected["ppo-int4"])


def test_answers_do_not_depend_on_the_other_policies(base, folders):
    served = StackedPolicies(loading.load_causal(base, "bf16", CPU), base, folders)
    options = {"max_new_tokens": 12, "temperature": 0, "pad_id": 1, "eos_id": 0}
    prompt = IDS[0].tolist()
    together = served.generate(POLICIES, [prompt] * 4, **options).tokens
    alone = [served.generate([name], [prompt], **options).tokens[0] for name in POLICIES]
    assert together == alone
    assert len({tuple(tokens) for tokens in together}) == 4


def test_rows_keep_their_policy_when_others_finish(base, folders):
    served = StackedPolicies(loading.load_causal(base, "bf16", CPU), base, folders)
    prompt = IDS[0].tolist()
    options = {"max_new_tokens": 12, "temperature": 0, "pad_id": 1}
    free = served.generate(POLICIES, [prompt] * 4, eos_id=0, **options).tokens
    # the first policy now ends here; the others continue unless they generate the same token
    stop_at = free[0][3]
    cut = served.generate(POLICIES, [prompt] * 4, eos_id=stop_at, **options)
    assert len(cut.tokens[0]) <= 4 and cut.ended[0]
    for before, after in zip(free, cut.tokens, strict=True):
        assert after == (before[: before.index(stop_at) + 1] if stop_at in before else before)


def test_policies_can_be_exchanged_on_the_same_base(base, folders):
    served = StackedPolicies(loading.load_causal(base, "bf16", CPU), base, {"sft": folders["sft"]})
    served.load({"x": folders["ppo-int4"], "y": folders["sft"]})
    served.select(["x"])
    with torch.inference_mode():
        ours = served.model(IDS).logits.float()
    other, mine = (peft_logits(base, "bf16", folders[name]) for name in ("sft", "ppo-int4"))
    assert distance(ours, mine) < 0.05 * distance(other, mine)
    assert served.names == ("x", "y")
    with pytest.raises(UserError, match="not served"):
        served.select(["sft"])


def test_hashes_identify_the_weights_that_answer(base, folders):
    served = StackedPolicies(loading.load_causal(base, "bf16", CPU), base, folders)
    assert served.hashes == {name: sha256_file(folder / adapters.WEIGHTS) for name, folder in folders.items()}
    assert len(set(served.hashes.values())) == 4


def test_foreign_and_damaged_adapters_are_refused(base, folders, tmp_path):
    def copy(name):
        target = tmp_path / name
        target.mkdir()
        for file in folders["sft"].iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        return target

    foreign, cut, strange = copy("foreign"), copy("cut"), copy("strange")
    write_card(foreign / "model.json", read_json(foreign / "model.json") | {"base_hash": "0" * 64})
    (cut / adapters.WEIGHTS).write_bytes((cut / adapters.WEIGHTS).read_bytes()[:-100])
    tensors = load_file(strange / adapters.WEIGHTS)
    save_file({key.replace("layers.1", "layers.9").replace("h.1", "h.9"): t for key, t in tensors.items()},
              strange / adapters.WEIGHTS)  # fmt: skip
    adapters.seal(strange, base=base)
    model = loading.load_causal(base, "bf16", CPU)
    for folder, reason in ((foreign, "another base"), (cut, "damaged"), (strange, "lacks")):
        with pytest.raises(UserError, match=reason):
            StackedPolicies(model, base, {"sft": folder})
