"""Connects a TRL trainer to a Run: metrics, checkpoints, cancel, early stopping, and alarms.

It adds alarms that TRL's trainers lack: a loss that jumps raises Unstable, and a parameter that never gets a
gradient is reported.
"""

import math
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from data.files import read_json, write_json
from models.fast import heap
from pipeline.runs import checkpoints
from pipeline.runs.record import Run
from pipeline.training import distributed
from pipeline.training.dealing import Dealt, LengthGrouped
from pipeline.training.recovery import Memory, Stability, Unstable
from pipeline.training.trained import trainables, whole

BEST, CARD = "best.safetensors", "reporter.json"
CLOCKS = ("runtime", "per_second", "total_flos")  # log entries that differ from run to run
TIDY_STEPS = 5  # steps between returns of freed memory: batches of different lengths leave gaps in it


class Reporter(TrainerCallback):
    """Connects a trainer's callbacks to a Run: metrics, checkpoints, cancel, early stopping, gradient watch.

    patience: number of evaluations without a better validation loss after which the run stops; 0 = never.
    on_evaluation(step): called after each evaluation, for samples.
    """

    def __init__(self, run: Run, patience: int = 0, on_evaluation=None):
        self.run, self.patience, self.on_evaluation = run, patience, on_evaluation
        self.unseen: set[str] = set()  # names of trainables that have had no gradient yet
        self.best_loss, self.since_best = math.inf, 0
        self.best: dict[str, torch.Tensor] | None = None
        self.last_evaluation: dict = {}
        self.cancelled = self.warned = False

    def begin(self, model: torch.nn.Module, memory: Memory, stability: Stability) -> None:
        """Reset before an attempt. A checkpoint's `load` comes afterwards."""
        self.memory, self.stability = memory, stability
        # DeepSpeed does not expose the gradients.
        self.unseen = set() if distributed.sharding() == "ZeRO" else set(trainables(model))
        self.best_loss, self.since_best, self.best = math.inf, 0, None
        self.last_evaluation = {}

    def on_train_begin(self, args, state, control, **kwargs):
        self.run.set_total(state.max_steps)

    def on_epoch_begin(self, args, state, control, train_dataloader=None, **kwargs):
        batches = getattr(train_dataloader, "batch_sampler", None)
        sampler = batches.order if isinstance(batches, Dealt) else getattr(train_dataloader, "sampler", None)
        if isinstance(sampler, LengthGrouped):
            sampler.set_epoch(int(state.epoch or 0))

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        if self.unseen:
            gradients = {n: p.grad for n, p in trainables(model).items() if p.grad is not None}
            moved = {n for n, gradient in gradients.items() if bool(whole(gradient).any())}
            self.unseen -= moved

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step % TIDY_STEPS == 0:
            heap.give_back()
        if self.run.should_stop():
            self.cancelled = control.should_save = control.should_training_stop = True
        return control

    def on_log(self, args, state, control, logs=None, **kwargs):
        row = {key: value for key, value in logs.items() if not any(clock in key for clock in CLOCKS)}
        if "train_loss" in row:
            return  # the closing summary
        if "learning_rate" in row:
            row["lr"] = row["learning_rate"]
        if "loss" in row:
            self._check(row["loss"], state.global_step)
        if row.get("grad_norm") == 0.0 and not self.warned:
            self.warned = True
            self.run.event(
                "zero gradient", "the gradient is zero: nothing is being learned", step=state.global_step
            )
        self.run.log({"step": state.global_step, **row})

    def _check(self, loss: float, step: int) -> None:
        try:
            self.stability.check_loss(loss)
        except Unstable as trouble:
            raise Unstable(f"{trouble} at step {step}", step) from None

    def on_evaluate(self, args, state, control, metrics=None, model=None, **kwargs):
        self.last_evaluation = {"step": state.global_step, **metrics}
        if self.patience:
            self._early_stopping(metrics["eval_loss"], state, control, model)
        if self.on_evaluation is not None:
            self.on_evaluation(state.global_step)
        return control

    def _early_stopping(self, loss: float, state, control, model) -> None:
        if loss < self.best_loss:
            self.best_loss, self.since_best = loss, 0
            self.best = {name: whole(p).detach().cpu().clone() for name, p in trainables(model).items()}
            return
        self.since_best += 1
        if self.since_best >= self.patience:
            control.should_training_stop = True
            self.run.event(
                "early stopping",
                f"no better validation loss in {self.since_best} evaluations; the best weights are kept",
                step=state.global_step,
            )

    def on_save(self, args, state, control, **kwargs):
        distributed.anyone(True)  # wait until every process has written its part
        if not self.run.leads:
            return
        folder = self.run.checkpoints_dir
        self.run.sync_logs()
        checkpoints.seal(folder / f"checkpoint-{state.global_step}")
        checkpoints.rotate(folder, keep=2)

    def save(self, folder: Path, tokens: int) -> None:
        """Save what the trainer's own state lacks: early stopping, the last evaluation, the gradient watch,
        the number of tokens seen, and how the run recovered."""
        card = {"since_best": self.since_best, "unseen": sorted(self.unseen), "tokens": tokens}
        card |= {"last_evaluation": self.last_evaluation, "warned": self.warned}
        card |= {"memory": asdict(self.memory), "stability": asdict(self.stability)}
        if self.best is not None:
            card["best_loss"] = self.best_loss
            save_file(self.best, folder / BEST)
        write_json(folder / CARD, card)

    def load(self, folder: Path) -> int:
        """Restore the state of `save`; returns the number of tokens seen."""
        card = read_json(folder / CARD)
        self.since_best, self.unseen = card["since_best"], set(card["unseen"])
        # Checkpoints of earlier versions lack these two.
        self.last_evaluation, self.warned = card.get("last_evaluation", {}), card.get("warned", False)
        if "best_loss" in card:
            self.best_loss, self.best = card["best_loss"], load_file(folder / BEST)
        return card["tokens"]
