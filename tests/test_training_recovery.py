"""SFT and reward-model training recover from injected memory shortage and instability."""

import math

import pytest
import torch
from little_training import lines, run_stage, stop_after

from data.errors import UserError
from pipeline.commands.execute import resume
from pipeline.runs import checkpoints
from pipeline.runs.reader import list_runs
from pipeline.runs.record import Run
from pipeline.stages import reward, sft

pytestmark = pytest.mark.usefixtures("nondeterministic_after")
TRAINERS = {"sft": sft._Trainer, "reward": reward._Trainer}
GENTLE = {"learning_rate": 1e-3, "eval_steps": 50}


@pytest.fixture
def little(with_sft):
    return with_sft


def inject(monkeypatch, stage, change):
    """Replace each training loss by `change(trainer, loss)`; returns a function that undoes the patch."""
    cls = TRAINERS[stage]
    real = cls.compute_loss

    def compute_loss(self, *args, **kwargs):
        loss = real(self, *args, **kwargs)
        return change(self, loss) if self.model.training else loss

    monkeypatch.setattr(cls, "compute_loss", compute_loss)
    return lambda: monkeypatch.setattr(cls, "compute_loss", real)


def at_step(step, times, factor):
    """A change that multiplies the loss of update `step` the first `times` times that it is computed."""
    seen = []

    def change(trainer, loss):
        if trainer.state.global_step + 1 != step:
            return loss
        seen.append(step)
        return loss * (factor if len(seen) <= times else 1.0)

    return change


def short_of_memory(most, error=torch.OutOfMemoryError, after=0):
    """A change that raises `error` for micro-batches of more than `most` rows after `after` steps."""

    def change(trainer, loss):
        if trainer.state.global_step >= after and trainer.args.per_device_train_batch_size > most:
            raise error("CUDA out of memory")
        return loss

    return change


def no_primitive(words):
    """The error of oneDNN when memory runs out."""
    return RuntimeError("could not create a primitive")


def newest(workspace):
    return Run.load(workspace, list_runs(workspace)[0].id)


def kinds(run):
    return [event.kind for event in run.record.events]


def losses(run):
    return [row["loss"] for row in lines(run, "metrics.jsonl") if "loss" in row]


def weights(run):
    return (run.model_dir / "adapter_model.safetensors").read_bytes()


@pytest.mark.faults(19)
@pytest.mark.parametrize(("stage", "error"), [("sft", no_primitive), ("reward", no_primitive)])
def test_out_of_memory_continues_from_the_last_step_with_the_same_batches(
    little, random_base, monkeypatch, stage, error
):
    shape = {**GENTLE, "max_steps": 5, "save_steps": 50, "lora_dropout": 0.1}
    calm = run_stage(little, stage, random_base, **shape)
    undo = inject(monkeypatch, stage, short_of_memory(2, error, after=3))
    short = run_stage(little, stage, random_base, **shape)
    undo()
    assert kinds(short) == ["out of memory"] and short.record.status == "done"
    (event,) = short.record.events
    assert event.facts["step"] == 4 and "halved to 2" in event.message
    assert losses(short)[:3] == losses(calm)[:3]  # no step was repeated
    # Dropout draws differ between half and full micro-batches, hence the tolerance.
    assert losses(short) == pytest.approx(losses(calm), abs=0.08)
    tokens = [[row.get("num_tokens") for row in lines(run, "metrics.jsonl")] for run in (calm, short)]
    assert tokens[0] == tokens[1]
    assert short.record.attempts[-1].from_step == 3


def test_out_of_memory_in_the_first_step_restarts_with_smaller_batches(little, random_base, monkeypatch):
    inject(monkeypatch, "sft", short_of_memory(1))
    run = run_stage(little, "sft", random_base, **GENTLE)
    assert kinds(run) == ["out of memory"] * 2 and len(losses(run)) == 4
    step, path = checkpoints.latest(run.checkpoints_dir)
    assert step == 4 and '"micro": 1' in (path / "reporter.json").read_text()


@pytest.mark.faults(19)
def test_when_no_memory_saving_measure_is_left_the_run_fails_with_advice(little, random_base, monkeypatch):
    inject(monkeypatch, "sft", short_of_memory(0, after=2))
    with pytest.raises(UserError, match="out of memory"):
        run_stage(little, "sft", random_base, **GENTLE)
    run = newest(little)
    assert kinds(run) == ["out of memory"] * 3 and "checkpointing" in run.record.events[-1].message
    assert run.record.status == "failed" and checkpoints.latest(run.checkpoints_dir)[0] == 2


@pytest.mark.faults(18)
@pytest.mark.parametrize(
    ("stage", "factor"),
    [
        pytest.param("sft", math.nan, id="sft-loss"),
        pytest.param("sft", 1e37, id="sft-gradient", marks=pytest.mark.slow),
        pytest.param("reward", math.nan, id="reward-loss", marks=pytest.mark.slow),
        pytest.param("reward", 1e37, id="reward-gradient"),
    ],
)
def test_a_loss_that_is_not_finite_rolls_back_and_lowers_the_rate(
    little, random_base, monkeypatch, stage, factor
):
    shape = {"max_steps": 6, "lr_scheduler": "constant", "warmup_ratio": 0, **GENTLE}
    inject(monkeypatch, stage, at_step(4, times=1, factor=factor))
    run = run_stage(little, stage, random_base, **shape)
    rows = [row for row in lines(run, "metrics.jsonl") if "loss" in row]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["lr"] / 1e-3 for row in rows] == pytest.approx([1, 1, 0.5, 0.5, 0.5, 0.5])
    (event,) = run.record.events
    assert event.kind == "instability" and event.facts["step"] == 4
    assert event.message.startswith("loss is nan" if math.isnan(factor) else "grad_norm is")
    assert "back to step 2" in event.message and "clipped at 0.5" in event.message
    assert run.record.status == "done" and all(math.isfinite(loss) for loss in losses(run))


def test_a_jump_of_the_loss_is_undone(little, random_base, monkeypatch):
    inject(monkeypatch, "sft", at_step(7, times=2, factor=20.0))  # in both micro-batches
    run = run_stage(little, "sft", random_base, max_steps=8, save_steps=3, **GENTLE)
    assert kinds(run) == ["instability"] and "jumped" in run.record.events[0].message
    assert len(losses(run)) == 8 and max(losses(run)) < 10


def test_a_checkpoint_that_fails_again_at_once_is_replaced_by_the_one_before(
    little, random_base, monkeypatch
):
    inject(monkeypatch, "sft", at_step(4, times=2, factor=math.nan))
    run = run_stage(little, "sft", random_base, max_steps=5, save_steps=1, **GENTLE)
    said = [event.message for event in run.record.events]
    assert len(said) == 2 and "back to step 3" in said[0] and "back to step 2" in said[1]
    assert len(losses(run)) == 5


@pytest.mark.parametrize("trouble", ["nan", pytest.param("memory", marks=pytest.mark.slow)])
def test_a_recovered_run_that_is_stopped_and_resumed_equals_the_undisturbed_one_bit_for_bit(
    little, random_base, monkeypatch, trouble
):
    shape = {"max_steps": 7, "save_steps": 2, "lora_dropout": 0.1, **GENTLE}

    def disturbed():
        change = at_step(3, 1, math.nan) if trouble == "nan" else short_of_memory(2, after=2)
        undo = inject(monkeypatch, "sft", change)
        run = run_stage(little, "sft", random_base, **shape)
        undo()
        return run

    whole = disturbed()
    go_on = stop_after(monkeypatch, 5)
    cut = disturbed()
    go_on()
    assert cut.record.status == "cancelled" and kinds(cut) == kinds(whole) and len(kinds(cut)) == 1
    resumed = resume(little, cut.id)
    assert weights(resumed) == weights(whole)
    assert lines(resumed, "metrics.jsonl") == lines(whole, "metrics.jsonl")
