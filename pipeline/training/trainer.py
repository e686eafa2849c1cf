"""The code that SFT and reward modelling share: rows, arguments, sampler, checkpoints, early stopping,
alarms.

TRL's trainers do the training. This module makes them reproducible bit for bit across a kill and a resume,
records their logs in a Run, and adds alarms that they lack: a loss that is not finite or jumps raises
Unstable within a step (transformers would log 0.0 and continue), and a parameter that never gets a gradient
is reported. pipeline.stages.sft and pipeline.stages.reward define the two stages; pipeline.training.attempts
reacts to errors.
"""

import math
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils.data import DataLoader, Sampler
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from data.datasets import read_split
from data.errors import Code, UserError
from data.files import read_json, write_json
from data.workspace import Workspace
from models.fast import heap
from models.loading import device
from pipeline.runs import checkpoints
from pipeline.runs.record import Run
from pipeline.training import distributed
from pipeline.training.dealing import Dealt, WithFiller
from pipeline.training.recovery import Memory, Stability, Unstable

TRAINABLES, BEST, CARD = "trainables.safetensors", "best.safetensors", "reporter.json"
CLOCKS = ("runtime", "per_second", "total_flos")  # log entries that differ from run to run
TIDY_STEPS = 5  # steps between returns of freed memory: batches of different lengths leave gaps in it
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


class LengthGrouped(Sampler[int]):
    """Indices in an order that puts rows of similar length into one batch; a fresh shuffle each epoch.

    Shuffles, sorts within stretches of 32 batches, and shuffles the batches. The order depends only on seed
    and epoch and not on a global generator, so a resumed run sees the batches of an undisturbed one.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int):
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        stretch = 32 * self.batch_size
        batches = []
        for start in range(0, len(order), stretch):
            near = sorted(order[start : start + stretch], key=lambda index: self.lengths[index])
            batches += [near[at : at + self.batch_size] for at in range(0, len(near), self.batch_size)]
        # A short batch stays last, because the caller cuts the batches again from this order.
        last = batches.pop() if batches and len(batches[-1]) < self.batch_size else []
        for at in torch.randperm(len(batches), generator=generator).tolist():
            yield from batches[at]
        yield from last


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


def trainables(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Maps names to the parameters that are trained."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def restore(model: torch.nn.Module, saved: dict[str, torch.Tensor]) -> None:
    """Restore saved fp32 trainables exactly; UserError if they do not belong to this model."""
    targets = trainables(model)
    if set(targets) != set(saved):
        raise UserError(
            "the checkpoint belongs to other settings (LoRA rank or base)",
            code=Code.CHECKPOINT,
        )
    for name, parameter in targets.items():
        value = saved[name].to(parameter.device, torch.float32)
        if isinstance(parameter, DTensor):  # FSDP holds references to its shard: fill it, do not replace it
            parts = distribute_tensor(value, parameter.device_mesh, parameter.placements)
            parameter.detach().copy_(parts)
        else:
            parameter.data = value.clone()


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Gathers a sharded tensor (a collective call); returns any other tensor unchanged."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def in_one_piece(model: torch.nn.Module, make) -> torch.nn.Module:
    """The model itself; under FSDP, in the leader, a fresh model from `make` with the trained tensors."""
    if distributed.sharding() != "FSDP":
        return model
    trained = {name: whole(p).detach().cpu() for name, p in trainables(model).items()}
    if distributed.rank() > 0:
        return model
    fresh = make()
    restore(fresh, trained)
    return fresh


def _set_rate(scheduler: torch.optim.lr_scheduler.LambdaLR) -> None:
    """Set the optimizer's learning rate to that of the scheduler's current step."""
    for group, base, factor in zip(
        scheduler.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True
    ):
        group["lr"] = base * factor(scheduler.last_epoch)
    scheduler._last_lr = [group["lr"] for group in scheduler.optimizer.param_groups]  # the logged value
