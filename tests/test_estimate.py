"""The memory estimate: shapes of real models, its terms and their sum, and which runs are refused."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import NEVER

from data.datasets import write_splits
from data.errors import UserError
from data.workspace import Workspace
from pipeline.memory import estimate as estimates
from pipeline.memory import terms as memory_terms
from pipeline.memory.base_shape import read_shape
from pipeline.memory.estimate import (
    Estimate,
    estimate,
    estimate_resolved,
    refuse_what_cannot_fit,
    side_by_side,
)
from pipeline.memory.row_lengths import full_rows, row_lengths
from pipeline.memory.terms import Term
from pipeline.runs.parents import Resolved
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    """The tests expect the terms of a CPU, whatever the machine has."""
    monkeypatch.setattr("pipeline.runs.hardware._gpu", lambda: None)


HUGE = ("batch_size=65536", "micro_batch_size=65536", "max_length=512")


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
def test_every_term_is_shown_and_the_peak_adds_simultaneous_terms_only(total, stage):
    found = total(stage)
    assert found.total <= sum(term.bytes for term in found.terms)
    assert found.total >= max(term.bytes for term in found.terms)
    for term in found.terms:
        assert term.bytes > 0 and term.name in found.table() and term.formula in found.table()


def test_smaller_micro_batches_checkpointing_and_quantisation_need_less(total, random_base, tmp_path):
    config = json.loads((random_base / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"n_layer": 12}))
    eight = ("micro_batch_size=8", "max_length=64", f"base_model={tmp_path}")
    whole = total("sft", *eight).total
    assert total("sft", *eight, "micro_batch_size=2").total < whole
    assert total("sft", *eight, "gradient_checkpointing=true").total < whole
    assert total("sft", *eight, precision="int4").total < whole
    controlled = total("ppo", precision="int4").total
    assert total("ppo", "mode=shared", precision="int4").total < controlled


def test_a_run_that_cannot_fit_is_reported(total):
    found = total("sft", *HUGE)
    assert not found.fits and "does not fit" in found.table()
    assert "does not fit" not in total("sft").table()


def test_a_base_of_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "strange"}')
    with pytest.raises(UserError, match="not supported"):
        read_shape(tmp_path)


def test_the_formulas_know_the_constants_of_the_code_they_describe():
    from models.fast import attention, decoding, logprobs
    from pipeline.training import measure

    assert memory_terms.CHUNK_LOGITS == logprobs.CHUNK_LOGITS
    assert memory_terms.EVALUATED == measure.MAX_LOGITS
    assert memory_terms.LONGEST == attention.LONGEST
    assert memory_terms.MOST_PACKED == decoding.MOST_BYTES
    assert inspect.signature(measure.respond).parameters["batch_size"].default == memory_terms.REPORTED


def test_the_last_block_keeps_less_for_tokens_whose_output_is_unused(random_base):
    shape = read_shape(random_base)
    asked = build("reward", "tiny", overrides=[f"base_model={random_base}"])
    plan = memory_terms.Plan(shape, asked, full_rows(asked.max_length), cpu=True)

    def activations(read):
        return next(t.bytes for t in memory_terms.update(plan, 4, 32, read) if t.name == "activations")

    unread = 4 * 32 - 8
    # bf16: the inputs of the output layer and of the MLP, and the slope and the output of the GELU
    assert activations(128) - activations(8) == unread * 2 * (2 * shape.width + 2 * shape.mlp)


def test_without_bf16_products_what_is_not_quantised_takes_twice_as_much(
    workspace, random_base, dataset, monkeypatch
):
    def terms(precision):
        found = estimated(settings(random_base, f"precision={precision}"), workspace, dataset)
        return {(term.name, term.phase): term.bytes for term in found.terms}

    monkeypatch.setattr("pipeline.memory.estimate.has_bf16_products", lambda: True)
    usual = {precision: terms(precision) for precision in ("bf16", "int8")}
    monkeypatch.setattr("pipeline.memory.estimate.has_bf16_products", lambda: False)
    for precision, before in usual.items():
        wide = terms(precision)
        for doubled in [("activations", "update"), ("keys and values", "sample")]:
            assert wide[doubled] == 2 * before[doubled]
        assert wide["adapter in training", ""] == before["adapter in training", ""]
        assert (wide["base", ""] == 2 * before["base", ""]) == (precision == "bf16")


def test_ppo_counts_the_head_that_it_keeps_packed_once(workspace, random_base, monkeypatch):
    def heads():
        asked = build("ppo", "tiny", overrides=[f"base_model={random_base}"])
        return {
            (t.name, t.phase): t.bytes for t in estimate("ppo", asked, workspace).terms if "head" in t.name
        }

    monkeypatch.setattr("pipeline.memory.estimate.has_bf16_products", lambda: True)
    shape = read_shape(random_base)
    assert heads() == {("head, packed", ""): 2 * shape.vocabulary * shape.width}
    monkeypatch.setattr(memory_terms, "MOST_PACKED", 1000)
    phases = ("rollout's prompts", "rollout", "report's prompts", "report")
    assert set(heads()) == {("head, rearranged", phase) for phase in phases}
    monkeypatch.setattr("pipeline.memory.estimate.has_bf16_products", lambda: False)
    assert heads() == {}


def test_rows_count_with_their_own_length(total, workspace, random_base, dataset):
    short = estimated(settings(random_base), workspace, dataset)
    assert short.total < estimate("sft", settings(random_base), workspace).total
    assert short.total == estimate("sft", settings(random_base, f"dataset={dataset}"), workspace).total


def estimated(asked, workspace, dataset):
    return estimate_resolved("sft", Resolved(asked, Parents(dataset)), workspace)


def test_row_lengths_equal_those_of_training(random_base, dataset, workspace):
    from models.fast.pairs import packed_length
    from models.loading import load_tokenizer
    from models.prompting import PromptFormat
    from pipeline.stages.reward import sequences

    path = workspace.dataset(dataset) / "train_prefs.jsonl"
    found = row_lengths(path, random_base)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for most in (16, 40, 512):
        chosen, rejected = sequences(PromptFormat(load_tokenizer(random_base)), rows, most)
        assert found.either(most) == max(map(len, chosen + rejected))
        assert found.answered(most) == max(map(len, chosen))
        packed = max(map(packed_length, chosen, rejected))
        assert packed <= found.pair(most) <= 2 * most
    # the two responses may begin with the same tokens, which are shared too
    assert found.pair(512) <= packed + 3
    assert row_lengths(path.with_name("absent.jsonl"), random_base) is None
    assert full_rows(64).answered(64) == 64


def test_free_memory_excludes_the_imports_and_refusal_allows_for_the_error_of_the_estimate():
    def found(free, where="GPU memory"):
        terms = (Term("a", 100, ""), Term("b", 20, "", "x"), Term("c", 30, "", "y"))
        return Estimate("sft", terms, free, where)

    assert found(130).total == 130 and found(130).fits and not found(130).cannot_fit
    # the run may fit, because the estimate may be too high
    assert not found(129).fits and not found(129).cannot_fit
    assert found(103).cannot_fit
    assert found(estimates.IMPORTS + 130, "RAM").fits and not found(estimates.IMPORTS, "RAM").fits


def test_a_base_that_is_not_on_this_machine_is_not_refused(workspace):
    for base in ("nobody/such-model", "distilgpt2"):
        asked = build("sft", "edge", overrides=[f"base_model={base}", *HUGE])
        refuse_what_cannot_fit("sft", Resolved(asked, Parents()), workspace)


def test_an_unknown_kind_of_base_is_not_refused(workspace, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "strange"}')
    refuse_what_cannot_fit("sft", Resolved(settings(tmp_path, *HUGE), Parents()), workspace)


def test_a_run_that_cannot_fit_ends_before_it_starts(workspace, random_base, long_rows):
    done = command(workspace, "sft", long_rows, random_base, *HUGE)
    assert done.returncode == 2 and done.stdout == ""
    for part in ("does not fit", "GB are needed", "free", "micro_batch_size (now 65536)", "max_length",
                 "gradient_checkpointing=true", "precision=int4"):  # fmt: skip
        assert part in done.stderr
    assert not list(workspace.runs.iterdir())


def test_a_queued_run_that_cannot_fit_fails_with_the_reason(workspace, random_base, long_rows):
    from pipeline.commands.execute import resume
    from pipeline.runs.reader import read_run
    from pipeline.runs.record import Run

    asked = build("sft", "edge", overrides=shape(random_base, f"dataset={long_rows}", *HUGE))
    run = Run.create(workspace, "sft", asked)
    with pytest.raises(UserError, match="does not fit"):
        resume(workspace, run.id)
    record = read_run(workspace, run.id)
    assert record.status == "failed" and "does not fit" in record.error
    assert not (run.folder / "model").exists()


def test_no_more_stages_run_side_by_side_than_fit(workspace, random_base, monkeypatch):
    stages = [("sft", settings(random_base, f"micro_batch_size={size}")) for size in (2, 8)]
    largest = estimate(*stages[1], workspace).total + estimates.IMPORTS

    def fitting(free, asked, trainings=stages):
        monkeypatch.setattr(estimates, "free_memory", lambda: (free, "RAM"))
        return side_by_side(asked, trainings, workspace)

    assert [fitting(3 * largest, asked) for asked in (1, 2, 3, 4)] == [1, 2, 3, 3]
    assert fitting(2 * largest - 1, 4) == 1 and fitting(0, 4) == 1
    absent = build("sft", "edge", overrides=["base_model=nobody/such-model"])
    assert fitting(0, 4, [("sft", absent)]) == 4


@pytest.fixture
def dataset(workspace):
    """A data set of short rows."""
    return write_rows(workspace, "little", range(1, 7))


@pytest.fixture
def long_rows(workspace):
    """A data set of rows that fill 512 tokens."""
    return write_rows(workspace, "long", [300, 310])


def write_rows(workspace, name, words):
    rows = [
        {"prompt": f"\n\nHuman: {'long ' * k}?\n\nAssistant:", "chosen": "no " * k, "rejected": "yes"}
        for k in words
    ]
    write_splits(workspace.dataset(name), dict.fromkeys(("train", "validation", "test"), rows))
    return name


def shape(base, *overrides):
    return [f"base_model={base}", "lora_rank=16", "lora_alpha=32", *overrides]


def settings(base, *overrides):
    return build("sft", "edge", overrides=shape(base, *overrides))


def command(workspace: Workspace, stage, dataset, base, *overrides):
    words = [sys.executable, "-m", "pipeline", stage, "--preset", "edge", "--workspace", str(workspace.root)]
    words += ["--set", *shape(base, f"dataset={dataset}", *overrides)]
    root = Path(__file__).resolve().parents[1]
    return subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=NEVER)
