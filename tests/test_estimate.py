"""The memory estimate: shapes that match the real models, terms that add up, and what moves them."""

import pytest

from data.errors import UserError
from pipeline.estimate import estimate, read_shape
from pipeline.settings import build


@pytest.mark.parametrize("family", ["random_base", "random_llama_base"])
def test_the_shape_counts_the_weights_of_the_real_model(family, request):
    from models import adapters, loading

    folder = request.getfixturevalue(family)
    shape = read_shape(folder)
    model = loading.load_causal(folder, "bf16", loading.torch.device("cpu"))
    matrices = sum(p.numel() for p in {id(p): p for p in model.parameters()}.values() if p.dim() > 1)
    assert shape.block_weights + shape.embedding_weights == matrices
    model = adapters.attach(model, adapters.lora_config(model, 4, 8, 0.0, "CAUSAL_LM"), "sft")
    trained = adapters.adapter_parameters(model, "sft").values()
    assert shape.lora_weights(4) == sum(p.numel() for p in trained)


@pytest.fixture
def total(workspace, random_base):
    def inner(stage, *overrides, precision="bf16"):
        shape = [f"base_model={random_base}", "lora_rank=16", "lora_alpha=32"]
        settings = build(stage, "edge", precision=precision, overrides=[*shape, *overrides])
        return estimate(stage, settings, workspace)

    return inner


@pytest.mark.parametrize("stage", ["sft", "reward", "ppo"])
def test_every_term_is_shown_and_the_peak_is_what_is_there_at_once(total, stage):
    found = total(stage)
    assert found.total <= sum(term.bytes for term in found.terms)
    assert found.total >= max(term.bytes for term in found.terms)
    for term in found.terms:
        assert term.bytes > 0 and term.name in found.table() and term.formula in found.table()


def test_smaller_micro_batches_checkpointing_and_quantisation_need_less(total):
    whole = total("sft", "micro_batch_size=8").total
    assert total("sft", "micro_batch_size=2").total < whole
    assert total("sft", "micro_batch_size=8", "gradient_checkpointing=true").total < whole
    assert total("sft", "micro_batch_size=8", precision="int4").total < whole
    controlled = total("ppo", precision="int4").total
    assert total("ppo", "mode=shared", precision="int4").total < controlled


def test_what_cannot_fit_is_said(total):
    found = total("sft", "batch_size=65536", "micro_batch_size=65536", "max_length=131072")
    assert not found.fits and "does not fit" in found.table()
    assert "does not fit" not in total("sft").table()


def test_a_base_of_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "strange"}')
    with pytest.raises(UserError, match="not known"):
        read_shape(tmp_path)
