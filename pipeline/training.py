"""What SFT and reward modelling share: rows, arguments, sampler, checkpoints, early stopping, alarms.

TRL's trainers do the training. This module makes them reproducible bit for bit across a kill and a resume,
makes a Run out of their logs, and adds the alarms that they lack: a loss that is not finite stops the run
within a step (transformers would log 0.0 and go on), and a parameter that never gets a gradient is reported.
It does not know what the two stages learn from (pipeline.sft and pipeline.reward do).
"""

import math
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import Sampler
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from data.errors import UserError
from data.files import read_json, read_jsonl, write_json
from data.workspace import Workspace
from models.loading import device
from pipeline import checkpoints
from pipeline.run_record import Cancelled, Run

TRAINABLES, BEST, CARD = "trainables.safetensors", "best.safetensors", "reporter.json"
CLOCKS = ("runtime", "per_second", "total_flos")  # log entries that differ from run to run
EVALUATION_ROWS = 256  # validation rows looked at while training


def read_rows(workspace: Workspace, dataset: str, split: str, limit: int = 0) -> list[dict]:
    """Rows {"prompt", "chosen", "rejected", ...} of one split; limit 0 = all. UserError where none are."""
    path = workspace.dataset(dataset) / f"{split}_prefs.jsonl"
    if not path.is_file():
        raise UserError(f"data set {dataset!r} has no {path.name}: make it again with `prepare`")
    rows = read_jsonl(path)
    if split == "train" and not rows:
        raise UserError(f"data set {dataset!r} has no training pairs: give `prepare` more rows")
    return rows[:limit] if limit else rows


def arguments(config_class, settings, run: Run, *, evaluates: bool, **extra):
    """The Trainer's arguments for a stage's settings. `extra` are those of one trainer class."""
    return config_class(
        output_dir=str(run.checkpoints_dir),
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=max(settings.batch_size // settings.micro_batch_size, 1),
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
        bf16=False,  # the base is bf16 as it lies in memory; autocast would round the adapters and the head
        fp16=False,
        max_length=None,
        seed=settings.seed,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=device().type == "cuda",
        remove_unused_columns=False,
        use_cpu=device().type == "cpu",
        **extra,
    )


class LengthGrouped(Sampler[int]):
    """Indices in an order that puts rows of like length into one batch; a fresh shuffle each epoch.

    Shuffles, sorts within stretches of 32 batches, and shuffles the batches. The order depends on seed and
    epoch alone and not on a global generator, so that a resumed run sees the batches of an undisturbed one.
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
        # A short batch stays last: the batches are cut again from this order.
        last = batches.pop() if batches and len(batches[-1]) < self.batch_size else []
        for at in torch.randperm(len(batches), generator=generator).tolist():
            yield from batches[at]
        yield from last


class Reporter(TrainerCallback):
    """Turns a trainer's callbacks into a Run: metrics, checkpoints, cancel, early stopping, gradient watch.

    patience: evaluations without a better validation loss before the run stops; 0 = never.
    on_evaluation(step): called after each evaluation, for samples.
    """

    def __init__(self, run: Run, patience: int = 0, on_evaluation=None):
        self.run, self.patience, self.on_evaluation = run, patience, on_evaluation
        self.unseen: set[str] = set()  # names of trainables that have had no gradient yet
        self.best_loss, self.since_best, self.best = math.inf, 0, None
        self.last_evaluation: dict = {}
        self.cancelled = self.warned = False

    def on_train_begin(self, args, state, control, **kwargs):
        self.run.set_total(state.max_steps)

    def on_epoch_begin(self, args, state, control, train_dataloader=None, **kwargs):
        sampler = getattr(train_dataloader, "sampler", None)
        if isinstance(sampler, LengthGrouped):
            sampler.set_epoch(int(state.epoch or 0))

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        if self.unseen:
            moved = {n for n, p in trainables(model).items() if p.grad is not None and bool(p.grad.any())}
            self.unseen -= moved

    def on_step_end(self, args, state, control, **kwargs):
        if self.run.should_stop():
            self.cancelled = control.should_save = control.should_training_stop = True
        return control

    def on_log(self, args, state, control, logs=None, **kwargs):
        row = {key: value for key, value in logs.items() if not any(clock in key for clock in CLOCKS)}
        if "train_loss" in row:
            return  # the closing summary
        if "learning_rate" in row:
            row["lr"] = row["learning_rate"]
        if row.get("grad_norm") == 0.0 and not self.warned:
            self.warned = True
            self.run.event(
                "zero_gradient", "the gradient is zero: nothing is being learned", step=state.global_step
            )
        self.run.log({"step": state.global_step, **row})

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
            self.best = {name: p.detach().cpu().clone() for name, p in trainables(model).items()}
            return
        self.since_best += 1
        if self.since_best >= self.patience:
            control.should_training_stop = True
            self.run.event(
                "early_stopping",
                f"no better validation loss in {self.since_best} evaluations: the best weights are kept",
                step=state.global_step,
            )

    def on_save(self, args, state, control, **kwargs):
        folder = self.run.checkpoints_dir
        checkpoints.seal(folder / f"checkpoint-{state.global_step}")
        checkpoints.rotate(folder, keep=2)

    def save(self, folder: Path, tokens: int) -> None:
        """What the trainer's own state does not hold: early stopping, the gradient watch, tokens seen."""
        card = {"since_best": self.since_best, "unseen": sorted(self.unseen), "tokens": tokens}
        if self.best is not None:
            card["best_loss"] = self.best_loss
            save_file(self.best, folder / BEST)
        write_json(folder / CARD, card)

    def load(self, folder: Path) -> int:
        """Put `save`'s state back; returns the tokens seen."""
        card = read_json(folder / CARD)
        self.since_best, self.unseen = card["since_best"], set(card["unseen"])
        if "best_loss" in card:
            self.best_loss, self.best = card["best_loss"], load_file(folder / BEST)
        return card["tokens"]


class ReproducibleTrainer:
    """Mixed into a TRL trainer, before it: sampler, checkpoints of trainables alone, alarms, no telemetry.

    `start(run, reporter, lengths)` has to be called before `train`.
    """

    def start(self, run: Run, reporter: Reporter, lengths: list[int]) -> None:
        self.run, self.reporter, self.lengths = run, reporter, lengths
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)

    def _send_telemetry(self):
        """Stay offline: what is trained here is nobody else's business."""

    def create_model_card(self, *args, **kwargs):
        """model.json says what there is to say."""

    def _get_train_sampler(self, train_dataset=None):
        # Micro-batches that are accumulated together need not be of like length.
        return LengthGrouped(self.lengths, self.args.per_device_train_batch_size, self.args.seed)

    def _get_eval_sampler(self, eval_dataset):
        return None  # in order

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        if not torch.isfinite(loss):
            self._stop_at("loss", float(loss))
        return loss

    def _clip_grad_norm(self, model):
        norm = super()._clip_grad_norm(model)
        if not math.isfinite(float(norm)):
            self._stop_at("grad_norm", float(norm))
        return norm

    def _stop_at(self, what: str, value: float):
        step = self.state.global_step + 1
        self.run.log({"step": step, what: value})  # NaN becomes null: a gap in the chart
        message = f"{what} is {value} at step {step}; stopped before the weights could take it"
        self.run.event("not_finite", message, step=step)
        raise UserError(f"{message}. Lower learning_rate or max_grad_norm; the last checkpoint is kept")

    def save_model(self, output_dir=None, _internal_call=False):
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            weights = {name: p.detach().cpu().contiguous() for name, p in trainables(self.model).items()}
            save_file(weights, folder / TRAINABLES)
            self.reporter.save(folder, self._total_train_tokens)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        folder = Path(resume_from_checkpoint)
        restore(self.model, load_file(folder / TRAINABLES))
        self._total_train_tokens = self.reporter.load(folder)  # TRL would count from 0 again


def train(trainer: ReproducibleTrainer) -> dict:
    """Train to the end, from the newest complete checkpoint where there is one. Returns facts for `results`.

    Raises Cancelled after saving when the run was asked to stop, UserError when the loss is not finite.
    """
    run, reporter = trainer.run, trainer.reporter
    reporter.unseen = set(trainables(trainer.model))
    found = checkpoints.latest(run.checkpoints_dir)
    step, path = found if found else (0, None)
    run.cut_back(step)
    if path is not None:
        checkpoints.drop_after(run.checkpoints_dir, step)
    ended = path is not None and step >= read_json(path / "trainer_state.json")["max_steps"]
    if ended:  # killed between the last checkpoint and the end of the run
        trainer._load_from_checkpoint(path)
        trainer.state.global_step = step
    else:
        trainer.train(resume_from_checkpoint=str(path) if path else None)
    if reporter.cancelled:
        raise Cancelled
    if reporter.best is not None:
        restore(trainer.model, reporter.best)
    if reporter.unseen and trainer.state.global_step > 2:  # warm-up starts at 0: only step 2 moves lora_B
        run.event(
            "zero_gradient",
            f"{len(reporter.unseen)} trainable tensors never had a gradient",
            parameters=sorted(reporter.unseen)[:10],
        )
    return {
        "steps": trainer.state.global_step,
        "trainable_parameters": sum(p.numel() for p in trainables(trainer.model).values()),
        "tensors_without_gradient": len(reporter.unseen),
        **({"best_eval_loss": reporter.best_loss} if reporter.best is not None else {}),
    }


def trainables(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Name -> parameter of everything that learns."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def restore(model: torch.nn.Module, saved: dict[str, torch.Tensor]) -> None:
    """Put saved fp32 trainables back, exactly; UserError where they are not those of this model."""
    targets = trainables(model)
    if set(targets) != set(saved):
        raise UserError("the checkpoint belongs to other settings (LoRA rank or base): start a new run")
    for name, parameter in targets.items():
        parameter.data = saved[name].to(parameter.device, torch.float32).clone()
