"""A flipped bit, a missing row or a missing layer is an error that names the file, in every reader."""

import json
import shutil

import pytest
import torch
from little_policies import save_policies
from little_ppo import settings_of, stand
from little_training import easy_rows, run_stage, write_dataset
from safetensors.torch import load_file, save_file

from data import datasets, sealed
from data.datasets import write_splits
from data.errors import UserError
from data.files import read_json, write_json
from models import adapters, base_files, loading
from models.serving import StackedPolicies
from pipeline.commands.execute import execute
from pipeline.commands.export import export
from pipeline.runs.reader import list_runs
from pipeline.settings.layers import build

pytestmark = [pytest.mark.faults(14, 59), pytest.mark.usefixtures("nondeterministic_after")]
CPU = torch.device("cpu")
SPLITS = ("train", "validation", "test")


def flip(path, place=-40, bit=1):
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= bit
    path.write_bytes(content)


@pytest.fixture
def base(random_base, tmp_path):
    """A sealed copy of the random base, which the test may damage."""
    folder = shutil.copytree(random_base, tmp_path / "base")
    base_files.seal(folder)
    return folder


def test_a_card_notices_a_change_of_any_of_its_bytes(tmp_path):
    path = tmp_path / "model.json"
    sealed.write_card(path, {"precision": "bf16", "numbers": [1, 2.5], "nothing": None})
    whole = path.read_bytes()
    fine = sealed.read_card(path, "")
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert sealed.read_card(path, "") == fine, f"byte {place}"  # for example, white space
        except UserError as error:
            assert "model.json" in str(error)


@pytest.mark.parametrize("split", SPLITS)
def test_a_flipped_bit_in_the_rows_is_refused(tmp_path, split):
    folder = write_splits(tmp_path / "small", dict.fromkeys(SPLITS, easy_rows(5)))
    flip(datasets.split_path(folder, split))
    with pytest.raises(UserError, match=f"{split}_prefs.jsonl: is damaged"):
        datasets.read_split(folder, split)


def test_missing_rows_are_refused(tmp_path):
    folder = write_splits(tmp_path / "small", {"train": easy_rows(200)})
    path = datasets.split_path(folder, "train")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-144]))
    with pytest.raises(UserError, match="train_prefs.jsonl: is damaged"):
        datasets.read_split(folder, "train")


@pytest.mark.parametrize(
    ("card", "said"),
    [(None, "is missing"), ("[]", "is damaged"), ('{"splits": 3}', "is damaged"), ("{", "JSON")],
)
def test_rows_without_a_complete_card_are_refused(tmp_path, card, said):
    folder = write_splits(tmp_path / "small", {"train": easy_rows(5)})
    (folder / "dataset.json").unlink()
    if card is not None:
        (folder / "dataset.json").write_text(card)
    with pytest.raises(UserError, match=f"dataset.json: .*{said}"):
        datasets.read_split(folder, "train")


@pytest.mark.parametrize("line", [b"[]", b"{", b"[" * 50_000, b'{"prompt": "a", "chosen": 1}', b"\xff"])
def test_an_invalid_row_is_named_by_its_line(tmp_path, line):
    folder = write_splits(tmp_path / "small", {"train": easy_rows(2)})
    path = datasets.split_path(folder, "train")
    data = path.read_bytes() + line
    path.write_bytes(data)
    datasets.write_card(folder, {"splits": {"train": sealed.entry(data)}})
    with pytest.raises(UserError, match="train_prefs.jsonl, line 3: is not a preference pair"):
        datasets.read_split(folder, "train")


@pytest.mark.parametrize("name", [adapters.WEIGHTS, adapters.CONFIG, adapters.CARD])
def test_a_flipped_bit_of_an_adapter_is_refused_by_training_and_by_the_arena(random_base, tmp_path, name):
    folder = save_policies(random_base, tmp_path, ("sft",))["sft"]
    flip(folder / name)
    model = loading.load_causal(random_base, "bf16", CPU)
    for read in (
        lambda: adapters.load(model, folder, "sft", base=random_base),
        lambda: StackedPolicies(model, random_base, {"sft": folder}),
        lambda: adapters.copy(folder, tmp_path / "copy", base=random_base),
    ):
        with pytest.raises(UserError, match=f"{name}: is damaged"):
            read()


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_damaged_base_is_refused_and_named(base, damage):
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        whole = (base / name).read_bytes()
        if damage == "flip":
            flip(base / name)
        else:
            (base / name).write_bytes(whole[:-100])
        for load in (loading.load_causal, loading.load_reward_base):
            with pytest.raises(UserError, match=f"{name}: is damaged"):
                load(base, "bf16", CPU)
        with pytest.raises(UserError, match=f"{name}: is damaged"):
            loading.load_tokenizer(base)
        (base / name).write_bytes(whole)
    loading.load_causal(base, "bf16", CPU)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("left", [0, 7, 0.5])
def test_a_truncated_base_without_a_card_is_reported_in_one_sentence(random_base, tmp_path, name, left):
    folder = shutil.copytree(random_base, tmp_path / "base")
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: left if isinstance(left, int) else int(left * len(whole))])
    with pytest.raises(UserError, match="cannot be loaded"):
        loading.load_causal(folder, "bf16", CPU)


@pytest.mark.faults(42)
@pytest.mark.parametrize("family", ["random_base", "random_llama_base"])
@pytest.mark.parametrize("precision", ["bf16", "int4"])
def test_a_base_that_lacks_a_layer_is_refused(request, tmp_path, family, precision):
    folder = shutil.copytree(request.getfixturevalue(family), tmp_path / "base")
    path = folder / "model.safetensors"
    weights = load_file(path)
    kept = {name: w for name, w in weights.items() if ".h.1." not in name and ".layers.1." not in name}
    save_file(kept, path, metadata={"format": "pt"})
    for load in (loading.load_causal, loading.load_reward_base):
        with pytest.raises(UserError, match=f"lack {len(weights) - len(kept)} tensors"):
            load(folder, precision, CPU)


def test_a_base_whose_tensors_have_other_shapes_is_refused(random_base, tmp_path):
    folder = shutil.copytree(random_base, tmp_path / "base")
    write_json(folder / "config.json", read_json(folder / "config.json") | {"n_embd": 128})
    with pytest.raises(UserError, match="shape"):
        loading.load_causal(folder, "bf16", CPU)


@pytest.mark.faults(41)
def test_a_base_that_changed_after_the_training_is_named_with_its_file(random_base, tmp_path):
    folder = shutil.copytree(random_base, tmp_path / "base")  # the copy has no card
    policy = save_policies(folder, tmp_path, ("sft",))["sft"]
    flip(folder / "model.safetensors")
    with pytest.raises(UserError, match="one of its files has changed since then: model.safetensors"):
        adapters.check(policy, base=folder)


def test_every_stage_names_the_damaged_file_of_its_parent(workspace, random_base, tmp_path):
    """The stages run as the command line runs them; none reaches its first step."""
    parents = stand(workspace, random_base)
    write_dataset(workspace)
    sft, reward = (workspace.run(parents[name]) / "model" for name in ("sft", "reward"))
    data = workspace.dataset("small")
    shape = ("lora_rank=4", "lora_alpha=8", f"base_model={random_base}", "dataset=small")
    stages = {
        "sft": (build("sft", "tiny", overrides=shape), [data / "train_prefs.jsonl", data / "dataset.json"]),
        "reward": (
            build("reward", "tiny", overrides=["dataset=small"]),
            [sft / adapters.WEIGHTS, data / "test_prefs.jsonl"],
        ),
        "ppo": (
            settings_of(),
            [
                reward / adapters.HEAD,
                reward / adapters.WEIGHTS,
                sft / adapters.CONFIG,
                data / "train_prefs.jsonl",
            ],
        ),
    }
    for stage, (settings, files) in stages.items():
        for path in files:
            whole = path.read_bytes()
            flip(path)
            with pytest.raises(UserError, match=f"{path.name}: is damaged"):
                execute(stage, settings, workspace)
            path.write_bytes(whole)
            record = list_runs(workspace)[0]
            assert (record.status, path.name in record.error) == ("failed", True)
            assert "Traceback" not in (workspace.run(record.id) / "log.txt").read_text()
    flip(sft / adapters.WEIGHTS)
    for form in ("merged", "adapter"):
        with pytest.raises(UserError, match=f"{adapters.WEIGHTS}: is damaged"):
            export(workspace, parents["sft"], tmp_path / form, form)
        assert not (tmp_path / form).exists()


def test_models_of_an_earlier_version_are_used_and_an_event_states_that_they_were_not_checked(
    workspace, random_base
):
    parents = stand(workspace, random_base)
    write_dataset(workspace)
    card = workspace.run(parents["sft"]) / "model" / "model.json"
    new = ("files", "base_files", sealed.OWN, sealed.MARK)
    card.write_text(json.dumps({key: value for key, value in read_json(card).items() if key not in new}))
    run = run_stage(workspace, "reward", random_base, sft_run=parents["sft"], max_steps=1)
    said = [event.message for event in run.record.events if event.kind == "no hashes"]
    assert said == [f"runs/{parents['sft']}/model was written by an earlier version and is used unchecked"]


def test_an_exported_adapter_matches_its_own_card(workspace, random_base, tmp_path):
    parents = stand(workspace, random_base)
    folder = export(workspace, parents["reward"], tmp_path / "out", "adapter")
    card = adapters.check(folder, base=random_base)
    adapters.load_head(folder)
    assert adapters.read_config(folder, card).base_model_name_or_path == str(random_base)
