"""A PPO run recovers from injected memory shortage and instability."""

import math

import pytest
import torch
from little_ppo import kinds, rows_of, weights

from data.errors import UserError
from data.files import read_jsonl
from pipeline.runs import checkpoints
from pipeline.training import recovery

# -- the decisions


def test_memory_saving_measures_are_taken_in_order_until_none_is_left():
    memory = recovery.Memory(micro=4, rows=16)
    said = [memory.take_less() for _ in range(4)]
    assert "2" in said[0] and "1" in said[1] and "checkpointing" in said[2] and said[3] is None
    assert (memory.micro, memory.rows, memory.checkpointing) == (1, 4, True)


def update(policy=0.01, value=0.5, kl=0.01):
    return {"loss/policy_avg": policy, "loss/value_avg": value, "policy/approxkl_avg": kl}


SPIKES = [update(policy=30.0), update(value=300.0), update(kl=2.0), update(kl=math.nan)]


@pytest.mark.parametrize("bad", SPIKES)
def test_a_spike_is_detected_relative_to_the_previous_steps(bad):
    stability = recovery.Stability()
    for _ in range(6):
        stability.check(update(), 0.1)
    with pytest.raises(recovery.Unstable):
        stability.check(bad, 0.1)
    stability.check(update(policy=0.1, kl=0.09), 0.1)  # ten times a negligible value is still negligible


def test_the_first_steps_have_no_reference_but_must_be_finite():
    stability = recovery.Stability()
    stability.check(update(value=400.0, kl=3.0), 0.1)
    with pytest.raises(recovery.Unstable, match="inf"):
        stability.check(update(policy=math.inf), 0.1)


def test_after_a_roll_back_the_halved_rate_warms_up_and_gradients_are_clipped_lower():
    stability = recovery.Stability()
    assert stability.rate(0) == 1.0 and stability.clip(1.0) == 1.0
    assert stability.go_on_from(20, 60)
    assert [stability.rate(step) for step in (20, 21, 22, 23, 24)] == [0.125, 0.25, 0.375, 0.5, 0.5]
    assert stability.clip(1.0) == 0.5 and stability.clip(0.2) == 0.2
    assert [stability.go_on_from(20, 60) for _ in range(3)] == [True, True, False]


# -- the loop


def failing_once_above(trainer, monkeypatch, most, error):
    """Make every pass with gradients over more than `most` rows fail."""
    evaluate = trainer.actor.evaluate

    def evaluate_or_fail(rows, index, temperature, **options):
        if torch.is_grad_enabled() and len(index) > most:
            raise error
        return evaluate(rows, index, temperature, **options)

    monkeypatch.setattr(trainer.actor, "evaluate", evaluate_or_fail)


@pytest.mark.faults(19)
@pytest.mark.parametrize(
    "error",
    [pytest.param(MemoryError(), marks=pytest.mark.slow), RuntimeError("could not create a primitive")],
)
def test_out_of_memory_halves_the_micro_batch_and_the_result_is_the_same(make_trainer, monkeypatch, error):
    undisturbed, short = make_trainer("micro_batch_size=2"), make_trainer("micro_batch_size=2")
    failing_once_above(short, monkeypatch, 1, error)
    for trainer in (undisturbed, short):
        trainer.actor.model.float()
        trainer.run_to_end()
    assert kinds(short.run) == ["out of memory"] and short.memory.micro == 1
    for name, tensor in weights(undisturbed).items():
        torch.testing.assert_close(weights(short)[name], tensor, rtol=1e-3, atol=1e-4)
    assert len(rows_of(short.run, "metrics.jsonl")) == 4


def test_out_of_memory_in_the_middle_of_a_step_starts_that_step_again(make_trainer, monkeypatch):
    trainer, calm = make_trainer(), make_trainer()
    for each in (trainer, calm):
        each.actor.model.float()
    minibatch, failed = trainer.learner._minibatch, []

    def third_fails(*args, **kwargs):
        failed.append(0)
        if len(failed) == 3:
            raise torch.OutOfMemoryError
        return minibatch(*args, **kwargs)

    monkeypatch.setattr(trainer.learner, "_minibatch", third_fails)
    trainer.run_to_end()
    calm.run_to_end()
    assert kinds(trainer.run) == ["out of memory"]
    for name, tensor in weights(calm).items():
        torch.testing.assert_close(weights(trainer)[name], tensor, rtol=1e-3, atol=1e-4)


def test_the_error_is_reported_when_no_memory_saving_measure_is_left(make_trainer, monkeypatch):
    trainer = make_trainer()
    failing_once_above(trainer, monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(torch.OutOfMemoryError):
        trainer.run_to_end()
    assert kinds(trainer.run) == ["out of memory", "out of memory"] and trainer.actor.checkpointing
    assert checkpoints.latest(trainer.run.checkpoints_dir)[0] == 0


def poisoned(trainer, monkeypatch, spoil, at, times):
    """Spoil the rollout of step `at`, the first `times` times that it is drawn."""
    collect, drawn = trainer.collector.collect, []

    def collect_poisoned(step, kl_coef):
        rollout = collect(step, kl_coef)
        if step == at:
            drawn.append(step)
            if len(drawn) <= times:
                spoil(rollout)
        return rollout

    monkeypatch.setattr(trainer.collector, "collect", collect_poisoned)


def nan_advantage(rollout):
    rollout.advantages[0, 0] = math.nan


def nan_gradient(rollout):
    rollout.returns[0, 0] = 1e30  # the value itself is finite, but its square overflows in the loss


@pytest.mark.faults(18)
@pytest.mark.parametrize("spoil", [nan_advantage, pytest.param(nan_gradient, marks=pytest.mark.slow)])
def test_a_loss_that_is_not_finite_rolls_back_to_the_last_checkpoint_and_continues_at_a_lower_rate(
    make_trainer, monkeypatch, spoil
):
    trainer = make_trainer("max_steps=6", "save_steps=2", "lr_scheduler=constant")
    poisoned(trainer, monkeypatch, spoil, at=3, times=1)
    trainer.run_to_end()
    rows = read_jsonl(trainer.run.folder / "metrics.jsonl")
    assert [r["step"] for r in rows] == [1, 2, 3, 4, 5, 6]
    assert [r["lr"] / 0.002 for r in rows] == pytest.approx([1, 1, 0.5, 0.5, 0.5, 0.5])
    (event,) = trainer.run.record.events
    assert event.kind == "instability" and event.facts["step"] == 4 and "back to step 2" in event.message
    assert all(bool(torch.isfinite(p).all()) for p in trainer.learner.parameters.values())


def test_a_spike_of_the_loss_is_undone(make_trainer, monkeypatch):
    trainer = make_trainer("max_steps=8", "save_steps=1", "safety_steps=0")
    poisoned(trainer, monkeypatch, lambda rollout: rollout.returns.mul_(1e4), at=6, times=1)
    trainer.run_to_end()
    assert kinds(trainer.run) == ["instability"]
    rows = read_jsonl(trainer.run.folder / "metrics.jsonl")
    assert len(rows) == 8 and max(r["loss/value_avg"] for r in rows) < 1e3


def test_a_checkpoint_that_fails_again_at_once_is_replaced_by_the_one_before(make_trainer, monkeypatch):
    trainer = make_trainer("max_steps=5", "save_steps=1")
    poisoned(trainer, monkeypatch, nan_advantage, at=3, times=2)
    trainer.run_to_end()
    said = [event.message for event in trainer.run.record.events]
    assert len(said) == 2 and "back to step 3" in said[0] and "back to step 2" in said[1]
    assert len(rows_of(trainer.run, "metrics.jsonl")) == 5


def test_a_run_that_stays_unstable_ends_and_keeps_its_last_good_checkpoint(make_trainer, monkeypatch):
    trainer = make_trainer()
    poisoned(trainer, monkeypatch, nan_advantage, at=3, times=99)
    with pytest.raises(UserError, match="after 3 roll-backs"):
        trainer.run_to_end()
    assert kinds(trainer.run) == ["instability"] * 3
    step, folder = checkpoints.latest(trainer.run.checkpoints_dir)
    state = torch.load(folder / "state.pt", weights_only=True)
    assert step == 2 and all(bool(torch.isfinite(p).all()) for p in state["learner"]["parameters"].values())
