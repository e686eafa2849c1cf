"""Trains SFT and reward models in as many attempts as necessary.

An attempt is a new TRL trainer, resumed from the newest checkpoint. If memory runs out, the next attempt
continues from the last step with smaller micro-batches and the same effective batch, and finally with
activation checkpointing. If a loss or gradient is not finite, or the loss jumps, the next attempt continues
from the last good checkpoint, more gently. `pipeline.training.recovery` decides. Each decision is an event in
the record and part of the checkpoints, so that a killed run keeps it.

    trainer, facts = train(make, settings, reporter)    # make(settings) -> a ReproducibleTrainer, fresh
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerState

from data.errors import Code, UserError
from data.files import read_json, write_json
from models.loading import device
from pipeline.runs import checkpoints
from pipeline.runs.record import Cancelled
from pipeline.training import distributed
from pipeline.training.recovery import Memory, Stability, Unstable, is_out_of_memory
from pipeline.training.reporter import CARD, Reporter
from pipeline.training.trained import restore, trainables
from pipeline.training.trainer import ReproducibleTrainer


def train(
    make: Callable[[Any], ReproducibleTrainer], settings: Any, reporter: Reporter
) -> tuple[ReproducibleTrainer, dict]:
    """Train to the end, from the newest complete checkpoint if there is one.

    make: gets the settings of an attempt and loads the starting weights into the model. Returns the last
    trainer and facts for `results`. Raises Cancelled after saving if the run was asked to stop, UserError if
    roll-backs did not help, and the memory error itself if memory use cannot be reduced further.
    """
    micro = distributed.micro_batch(settings.micro_batch_size, settings.batch_size)
    memory = Memory(micro, settings.batch_size, settings.gradient_checkpointing)
    stability = Stability()
    while True:
        found = distributed.from_leader(lambda: checkpoints.latest(reporter.run.checkpoints_dir))
        if found:
            memory, stability = _states(found[1])
        else:
            stability.history = {}
        trainer = make(
            replace(
                settings,
                micro_batch_size=memory.micro,
                gradient_checkpointing=memory.checkpointing,
                max_grad_norm=stability.clip(settings.max_grad_norm),
            )
        )
        reporter.begin(trainer.model, memory, stability)
        trouble: Unstable | MemoryError | None = None
        try:
            _to_the_end(trainer, found)
        except Unstable as caught:
            trouble = Unstable(str(caught), caught.step)
        except (MemoryError, RuntimeError, OSError) as caught:
            if not is_out_of_memory(caught):
                raise
            trouble = MemoryError(str(caught).partition("\n")[0][:200] or type(caught).__name__)
        # Outside the except block the traceback is gone, and with it the tensors of the failed step.
        if trouble is None:
            return trainer, _facts(trainer)
        if distributed.process_count() > 1:  # the other processes are in the middle of a step
            raise _told(trouble)
        if isinstance(trouble, Unstable):
            stability = _roll_back(trainer, stability, trouble)
        else:
            _shrink(trainer, memory, settings.batch_size, trouble)
        del trainer
        gc.collect()
        if device().type == "cuda":
            torch.cuda.empty_cache()


def _told(trouble: Unstable | MemoryError) -> Exception:
    """With several processes the run ends; the user can resume it in one process or with other settings."""
    if isinstance(trouble, MemoryError):
        return trouble
    return UserError(
        f"{trouble}; the last checkpoint is kept",
        code=Code.UNSTABLE,
        command="`resume` it in one process, which rolls back by itself, "
        "or lower learning_rate and start again",
    )


def _states(folder: Path) -> tuple[Memory, Stability]:
    card = read_json(folder / CARD)
    return Memory(**card["memory"]), Stability(**card["stability"])


def _to_the_end(trainer: ReproducibleTrainer, found: tuple[int, Path] | None) -> None:
    run, reporter = trainer.run, trainer.reporter
    step, path = found if found else (0, None)
    if path is not None and run.leads:
        checkpoints.drop_after(run.checkpoints_dir, step)
    if path is not None and step >= read_json(path / "trainer_state.json")["max_steps"]:
        _as_it_ended(trainer, step, path)
    else:
        run.cut_back(step)
        trainer.train(resume_from_checkpoint=str(path) if path else None)
    if reporter.cancelled:
        raise Cancelled


def _as_it_ended(trainer: ReproducibleTrainer, step: int, path: Path) -> None:
    """Restore the trainer if the run was killed between its last checkpoint and its end: no steps remain.

    A stage may evaluate after the last step; the row of such an evaluation is removed, because the stage
    repeats it.
    """
    run, reporter = trainer.run, trainer.reporter
    trainer._load_from_checkpoint(path)
    trainer.state = TrainerState.load_from_json(str(path / "trainer_state.json"))
    run.set_total(step)
    evaluated = reporter.last_evaluation.get("step") == step
    run.cut_back(step, forget=lambda row: row.get("step") == step and "eval_loss" in row and not evaluated)


def _facts(trainer: ReproducibleTrainer) -> dict:
    run, reporter = trainer.run, trainer.reporter
    if reporter.best is not None:
        restore(trainer.model, reporter.best)
    if reporter.unseen and trainer.state.global_step > 2:  # warm-up starts at 0: only step 2 moves lora_B
        run.event(
            "zero gradient",
            f"{len(reporter.unseen)} trainable tensors never had a gradient",
            parameters=sorted(reporter.unseen)[:10],
        )
    return {
        "steps": trainer.state.global_step,
        "trainable_parameters": sum(p.numel() for p in trainables(trainer.model).values()),
        "tensors_without_gradient": len(reporter.unseen),
        **({"best_eval_loss": reporter.best_loss} if reporter.best is not None else {}),
    }


def _shrink(trainer: ReproducibleTrainer, memory: Memory, batch: int, error: MemoryError) -> None:
    """Reduce memory use and keep the progress: a failed forward or backward pass did not change the
    weights."""
    run, step = trainer.run, trainer.state.global_step
    done = memory.take_less(batch)
    if done is None:
        raise error
    if trainer.failed_in_a_pass and step:
        trainer.save_last_step()
    _amend_newest(run, memory=memory)
    run.event(
        "out of memory", f"step {step + 1}: {done}; the step is repeated", step=step + 1, error=str(error)
    )


def _roll_back(trainer: ReproducibleTrainer, stability: Stability, trouble: Unstable) -> Stability:
    """Return to the last good checkpoint (or the start) and continue more gently; UserError after too
    many."""
    run, total = trainer.run, trainer.state.max_steps
    if trouble.step is not None and stability.failed_at_once(trouble.step):
        checkpoints.give_up_newest(run.checkpoints_dir)
    found = checkpoints.latest(run.checkpoints_dir)
    back = found[0] if found else 0
    gentler = _states(found[1])[1] if found else Stability()
    gentler.tries = stability.tries
    if not gentler.go_on_from(back, total):
        raise UserError(
            f"{run.record.stage}: {trouble}, after {stability.tries} roll-backs; the last good checkpoint "
            "is kept",
            code=Code.UNSTABLE,
        )
    _amend_newest(run, memory=trainer.reporter.memory, stability=gentler)
    run.event(
        "instability",
        f"{trouble}; back to step {back} with the learning rate times {0.5**gentler.tries:g}, a warm-up of "
        f"{gentler.warm_steps} steps and gradients clipped at {gentler.clip(trainer.args.max_grad_norm):g}",
        step=trouble.step,
    )
    return gentler


def _amend_newest(run, **decisions: Memory | Stability) -> None:
    """Write decisions into the newest checkpoint. Without a checkpoint a killed run starts again and decides
    again."""
    found = checkpoints.latest(run.checkpoints_dir)
    if found is None:
        return

    def change(folder: Path) -> None:
        card = read_json(folder / CARD)
        write_json(folder / CARD, card | {name: asdict(state) for name, state in decisions.items()})

    checkpoints.amend(run.checkpoints_dir, found[0], change)
