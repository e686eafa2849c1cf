"""A trainer for SFT and reward modelling: rows, arguments, batches, checkpoints and checks of the values.

TRL's trainers do the training. This module makes them reproducible bit for bit across a kill and a resume,
and adds checks that they lack: a loss or gradient that is not finite raises Unstable within a step
(transformers would log 0.0 and continue). `reporter` connects a trainer to a Run, and `attempts` reacts to
errors; pipeline.stages.sft and pipeline.stages.reward define the two stages.
"""

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from data.datasets import read_split
from data.errors import Code, UserError
from data.workspace import Workspace
from models.fast import heap
from models.loading import device
from pipeline.runs.record import Run
from pipeline.training import distributed
from pipeline.training.dealing import Dealt, LengthGrouped, WithFiller
from pipeline.training.recovery import Unstable
from pipeline.training.reporter import Reporter
from pipeline.training.trained import restore, trainables, whole

TRAINABLES = "trainables.safetensors"
EVALUATION_ROWS = 256  # validation rows that are evaluated during training


def read_rows(workspace: Workspace, dataset: str, split: str, limit: int = 0) -> list[dict]:
    """Rows {"prompt", "chosen", "rejected", ...} of one split; limit 0 = all.

    Raises UserError if there are none, or if they are not what `prepare` wrote.
    """
    rows = read_split(workspace.dataset(dataset), split)
    if split == "train" and not rows:
        raise UserError(
            f"data set {dataset!r} has no training pairs",
            code=Code.DATASET,
            command="prepare it from more rows",
        )
    return rows[:limit] if limit else rows


def arguments(config_class, settings, run: Run, *, evaluates: bool, **extra):
    """The Trainer's arguments for a stage's settings. `extra`: arguments of one trainer class."""
    made = config_class(
        output_dir=str(run.checkpoints_dir),
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=max(
            settings.batch_size // (settings.micro_batch_size * distributed.process_count()), 1
        ),
        per_device_eval_batch_size=2 * settings.micro_batch_size,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.lr_scheduler,
        warmup_steps=settings.warmup_ratio if settings.warmup_ratio < 1 else 0.999,  # 1 would be one step
        max_grad_norm=settings.max_grad_norm,
        weight_decay=settings.weight_decay,
        gradient_checkpointing=settings.gradient_checkpointing,
        torch_compile=settings.compile,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_steps=settings.save_steps,
        save_strategy="steps",
        eval_strategy="steps" if evaluates else "no",
        eval_steps=settings.eval_steps,
        prediction_loss_only=True,
        bf16=False,  # the base's weights are already bf16; autocast would round adapters and head
        fp16=False,
        max_length=None,
        seed=settings.seed,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=settings.loader_workers,
        dataloader_pin_memory=device().type == "cuda",
        ddp_find_unused_parameters=False,
        remove_unused_columns=False,
        use_cpu=device().type == "cpu",
        **extra,
    )
    if made.n_gpu > 1:
        made._n_gpu = 1  # otherwise one process would multiply the batch by the number of GPUs
    return made


if TYPE_CHECKING:
    from transformers import Trainer as _Trainer  # the trainers that the class is mixed into
else:
    _Trainer = object


class ReproducibleTrainer(_Trainer):
    """A mixin in front of a TRL trainer: sampler, checkpoints of the trained tensors only, alarms, no
    telemetry.

    `start(run, reporter, lengths, rows_together, filler)` has to be called before `train`. rows_together:
    size of the groups of rows of similar length; it stays the same when the micro-batch shrinks, so that the
    order of the rows also stays the same. filler: a row without effect, for a process that gets no row of an
    epoch's last batch.
    """

    def start(
        self, run: Run, reporter: Reporter, lengths: list[int], rows_together: int, filler: dict
    ) -> None:
        self.run, self.reporter, self.filler = run, reporter, filler
        self.lengths, self.rows_together = lengths, rows_together
        self.at_start: tuple[int, torch.Tensor, Any] | None = None  # step, random state, tokens seen
        self.failed_in_a_pass = False
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)

    def _send_telemetry(self):
        """Do nothing: the project stays offline."""

    def create_model_card(self, *args, **kwargs):
        """Do nothing: model.json describes the model."""

    def _get_train_sampler(self, train_dataset=None):
        # Micro-batches that are accumulated together need not have similar lengths.
        return LengthGrouped(self.lengths, self.rows_together, self.args.seed)

    def get_train_dataloader(self):
        """The usual loader in one process; otherwise this process's micro-batches of each batch."""
        if distributed.process_count() == 1:
            return super().get_train_dataloader()
        per_process = self.args.per_device_train_batch_size
        batch = per_process * self.args.gradient_accumulation_steps * distributed.process_count()
        return DataLoader(
            WithFiller(self.train_dataset, self.filler),
            batch_sampler=Dealt(
                self._get_train_sampler(), batch, per_process, distributed.rank(), distributed.process_count()
            ),
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def _get_eval_sampler(self, eval_dataset):
        return None  # in order

    def evaluate(self, *args, **kwargs):
        heap.give_back()  # a larger batch does not fit into the gaps that training left
        return super().evaluate(*args, **kwargs)

    def create_scheduler(self, num_training_steps, optimizer=None):
        """The usual schedule, times the factor by which roll-backs lowered the learning rate."""
        made = super().create_scheduler(num_training_steps, optimizer)
        stability = self.reporter.stability
        made.lr_lambdas = [
            lambda step, usual=usual: usual(step) * stability.rate(step) for usual in made.lr_lambdas
        ]
        _set_rate(made)
        return made

    def _load_optimizer_and_scheduler(self, checkpoint):
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            _set_rate(self.lr_scheduler)  # the checkpoint's rate may be that from before a roll-back

    def training_step(self, *args, **kwargs):
        step = self.state.global_step
        if self.at_start is None or self.at_start[0] != step:  # the step's first micro-batch
            self.at_start = (step, torch.get_rng_state(), self._total_train_tokens)
        self.failed_in_a_pass = True
        loss = super().training_step(*args, **kwargs)
        self.failed_in_a_pass = False
        if not torch.isfinite(loss):
            self._stop_at("loss", float(loss))
        return loss

    def _clip_grad_norm(self, model):
        norm = whole(super()._clip_grad_norm(model))
        if not math.isfinite(float(norm)):
            self._stop_at("grad_norm", float(norm))
        return norm

    def _stop_at(self, what: str, value: float):
        step = self.state.global_step + 1
        self.run.log({"step": step, what: value})  # NaN becomes null, which the chart shows as a gap
        raise Unstable(f"{what} is {value} at step {step}", step)

    def save_last_step(self) -> None:
        """Save a checkpoint of the last complete step after the next one failed in its forward or backward
        pass."""
        if self.at_start is None:
            raise RuntimeError("no step has begun")
        self.model.zero_grad()
        _, random, self._total_train_tokens = self.at_start
        torch.set_rng_state(random)
        self._save_checkpoint(self.model, trial=None)
        self.reporter.on_save(self.args, self.state, self.control)

    def save_model(self, output_dir=None, _internal_call=False):
        weights = {name: whole(p).detach().cpu().contiguous() for name, p in trainables(self.model).items()}
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            save_file(weights, folder / TRAINABLES)
            self.reporter.save(folder, self._total_train_tokens)

    def _save_rng_state(self, output_dir):
        """Save the random state of every process; the leader writes them all."""
        if distributed.process_count() == 1:
            return super()._save_rng_state(output_dir)
        with tempfile.TemporaryDirectory() as folder:
            super()._save_rng_state(folder)
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        for states in distributed.gathered(files):
            for name, state in states.items():
                if self.args.should_save:
                    (Path(output_dir) / name).write_bytes(state)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        folder = Path(resume_from_checkpoint)
        restore(self.model, load_file(folder / TRAINABLES))
        self._total_train_tokens = self.reporter.load(folder)  # TRL would count from 0 again


def _set_rate(scheduler: torch.optim.lr_scheduler.LambdaLR) -> None:
    """Set the optimizer's learning rate to that of the scheduler's current step."""
    for group, base, factor in zip(
        scheduler.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True
    ):
        group["lr"] = base * factor(scheduler.last_epoch)
    scheduler._last_lr = [group["lr"] for group in scheduler.optimizer.param_groups]  # the logged value
