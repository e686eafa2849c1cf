"""A reward model: an adapter and a scalar head that learn to score the chosen response above the rejected.

TRL's RewardTrainer (Bradley-Terry loss) trains on a base of any precision. The adapter starts as a copy of
the SFT adapter on the raw base, or, with start=reward, adapter and head start as those of an earlier reward
model. Both are fp32 in every precision, so that the precisions differ only in the frozen base. The results
contain held-out accuracy, calibration and, in the tiny world, the best accuracy that the noisy labels allow.
`pipeline.ppo` standardises the scores.

    python -m pipeline reward --precision int4
"""

import random
from collections.abc import Callable
from pathlib import Path

import torch
from datasets import Dataset
from trl import RewardConfig, RewardTrainer
from trl.trainer.reward_trainer import DataCollatorForPreference

from data import world
from data.own_pairs import own_pairs
from data.safety_pairs import safety_pairs
from data.workspace import Workspace
from evaluation.reward_metrics import reward_metrics
from models import adapters, loading
from models.fast import heap, pairs
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.runs import phases
from pipeline.runs.record import Run
from pipeline.settings.fields import JudgeSettings, RewardSettings
from pipeline.training import attempts, distributed, practice, trained
from pipeline.training import trainer as training
from pipeline.training.reporter import Reporter
from pipeline.training.seeding import make_deterministic
from pipeline.training.token_cache import cached

ADAPTER = "reward"
CROSS_PROMPT_SHARE = 0.1  # share of the training pairs, with augmentation=cross_prompt


class _Trainer(training.ReproducibleTrainer, RewardTrainer):
    """Weighs every pair of a batch equally, however the batch is split into micro-batches and processes."""

    def get_batch_samples(self, *args, **kwargs):
        batches, items = super().get_batch_samples(*args, **kwargs)
        self.pairs = sum(distributed.gathered(sum(map(_pairs, batches))))
        return batches, items

    def compute_loss(self, model, inputs, *args, **kwargs):
        if not model.training:
            return super().compute_loss(model, inputs, *args, **kwargs)
        # TRL gathers the scores for its metrics, but accelerate's gather needs equally many per process.
        self.accelerator.gather = distributed.rows_of_all
        try:
            loss = super().compute_loss(model, inputs, *args, **kwargs)
        finally:
            del self.accelerator.gather  # restores accelerate's own method
        # TRL's loss is a mean over the micro-batch; transformers averages these over steps and processes.
        parts = self.current_gradient_accumulation_steps * distributed.process_count()
        return loss * (_pairs(inputs) * parts / self.pairs)


def _pairs(batch: dict) -> int:
    """Number of pairs in a micro-batch without the filler, whose sides are equal."""
    if "starts" in batch:  # one row per pair; a filler has two tokens
        return int((batch["attention_mask"].sum(dim=1) > 2).sum())
    chosen, rejected = batch["input_ids"].chunk(2)
    return 0 if torch.equal(chosen, rejected) else len(chosen)


def train(settings: RewardSettings, run: Run, workspace: Workspace) -> dict:
    """Train and write model/ with its head; returns the metrics on the test split (noisy labels)."""
    make_deterministic(settings.seed)
    base = loading.resolve_base(settings.base_model)
    dataset = run.record.parents.dataset
    rows = training.read_rows(workspace, dataset, "train", settings.max_rows)
    if settings.augmentation == "cross_prompt":
        rows = cross_prompt(rows, settings.seed)
    if settings.own_answers:
        own = practice.read(workspace, run.record.parents.sft)
        added = own_pairs(settings.safety_pairs, settings.seed, own)
    else:
        added = safety_pairs(settings.safety_pairs, settings.seed)
    rows += [pair.row() for pair in added]
    rows = with_leads(rows, settings.margin_scale)
    parents = run.record.parents
    start = workspace.run(parents.runs.get("start") or parents.sft) / "model"
    return fit(settings, run, workspace, base, rows, lambda: starting_model(settings, start, base))


def fit(
    settings: RewardSettings | JudgeSettings,
    run: Run,
    workspace: Workspace,
    base: Path,
    rows: list[dict],
    make_model: Callable,
) -> dict:
    """Train the model of `make_model` on the rows, write model/ and measure it; returns the results.

    make_model: makes the base with the trainable adapter ADAPTER and an fp32 head, each time the same.
    """
    dataset = run.record.parents.dataset
    held_out = training.read_rows(workspace, dataset, "validation", training.EVALUATION_ROWS)
    test = training.read_rows(workspace, dataset, "test")

    prompt_format = PromptFormat(loading.load_tokenizer(base))
    longest = settings.max_length
    examples = distributed.leader_first(
        lambda: cached(
            workspace, "reward", base, longest, rows, lambda: tokenise(prompt_format, rows, longest)
        )
    )
    model = make_model()
    before = {name: p.detach().clone() for name, p in trained.trainables(model).items()}

    reporter = Reporter(run, settings.early_stopping_patience)
    evaluated = tokenise(prompt_format, held_out, settings.max_length) if held_out else None
    collator, lengths = pairing(settings, model, examples, prompt_format)

    filler: dict[str, list[int] | float] = {
        "chosen_ids": [prompt_format.eos_id],
        "rejected_ids": [prompt_format.eos_id],
    }
    if "margin" in examples.column_names:
        filler["margin"] = 0.0

    def trainer_with(now: RewardSettings | JudgeSettings) -> _Trainer:
        trainer = _Trainer(
            model=model,
            args=training.arguments(
                RewardConfig, now, run, evaluates=bool(held_out),
                center_rewards_coefficient=settings.center_rewards or None,
                disable_dropout=False,  # the base has none, and LoRA's is a setting
            ),
            data_collator=collator,
            train_dataset=examples,
            eval_dataset=evaluated,
            processing_class=prompt_format.tokenizer,
            callbacks=[reporter],
        )  # fmt: skip
        # TRL casts adapter and head to bf16 on quantised bases only; restore fp32 everywhere.
        trained.restore(model, before)
        trainer.start(run, reporter, lengths, settings.micro_batch_size, filler)
        return trainer

    _, facts = attempts.train(trainer_with, settings, reporter)
    model = trained.in_one_piece(model, make_model)
    if not run.leads:
        return {}

    head = model.get_base_model().score
    adapters.save(
        model, run.model_dir, ADAPTER, head=head,
        base=base, name=settings.base_model, precision=settings.precision,
    )  # fmt: skip
    scorer = RewardModel(model, head)
    heap.give_back()
    run.phase(phases.EVALUATING, len(test or held_out))
    results = measure_on(
        scorer, prompt_format, test or held_out, settings, split="test" if test else "validation"
    )
    if results and results["accuracy_ci"][0] <= 0.5:
        run.event(
            "not above chance",
            "accuracy {:.3f} is not above chance (95 % interval {:.3f} to {:.3f})".format(
                results["accuracy"], *results["accuracy_ci"]
            ),
        )
    eval_loss = reporter.last_evaluation.get("eval_loss")
    return {**results, "eval_loss": eval_loss, "examples": len(examples), **facts}


def starting_model(settings: RewardSettings, start: Path, base: Path):
    """The base with a trainable copy of an adapter and an fp32 head: that of the reward model in `start`, or
    a fresh one where `start` is an SFT model."""
    model = base_with_head(settings, base)
    if settings.start == "reward":
        model.score.weight.data.copy_(adapters.load_head(start).weight)
    model = adapters.load(model, start, ADAPTER, base=base, trainable=True, dropout=settings.lora_dropout)
    model.get_base_model().score.requires_grad_(True)
    return model


def base_with_head(settings: RewardSettings | JudgeSettings, base: Path):
    """The frozen base in the run's precision with a fresh fp32 head drawn from the seed."""
    model = loading.load_reward_base(
        base, settings.precision, loading.device(), seed=settings.seed, split=settings.split_base
    )
    loading.check_length(model, settings.max_length)
    return model


def pairing(settings: RewardSettings | JudgeSettings, model, examples: Dataset, prompt_format: PromptFormat):
    """(collator, tokens per pair): both responses in one row if the base allows that, otherwise TRL's
    rows."""
    both = list(zip(examples["chosen_ids"], examples["rejected_ids"], strict=True))
    if settings.share_prompts and not settings.split_base and pairs.can_share(model):
        pairs.share_prompts(model)
        return pairs.PairCollator(prompt_format.eos_id), [pairs.packed_length(*pair) for pair in both]
    collator = DataCollatorForPreference(pad_token_id=prompt_format.pad_id)
    return collator, [max(map(len, pair)) for pair in both]


def tokenise(prompt_format: PromptFormat, rows: list[dict], max_length: int) -> Dataset:
    """Columns chosen_ids and rejected_ids: prompt, response and EOS; margin, where the rows have a lead."""
    chosen, rejected = sequences(prompt_format, rows, max_length)
    leads = {"margin": [row["lead"] for row in rows]} if rows and "lead" in rows[0] else {}
    return Dataset.from_dict({"chosen_ids": chosen, "rejected_ids": rejected} | leads)


def sequences(prompt_format: PromptFormat, rows: list[dict], max_length: int) -> tuple[list, list]:
    """Token sequences of the chosen and of the rejected responses, each with its prompt."""
    prompts = prompt_format.encode_prompts([row["prompt"] for row in rows], max_length)
    sides = []
    for side in ("chosen", "rejected"):
        responses = prompt_format.encode_responses([row[side] for row in rows])
        fitted = (prompt_format.fit(p, r, max_length) for p, r in zip(prompts, responses, strict=True))
        sides.append([prompt + response for prompt, response in fitted])
    return sides[0], sides[1]


def with_leads(rows: list[dict], scale: float) -> list[dict]:
    """Rows with the lead in score, `scale` per place of their margin, that the loss asks of their pairs; a
    pair without a margin counts as one place apart. Llama 2's margin (arXiv 2307.09288, 3.2.2), for ranks.
    """
    if not scale:
        return rows
    return [{**row, "lead": scale * row.get("margin", 1)} for row in rows]


def cross_prompt(rows: list[dict], seed: int) -> list[dict]:
    """Replace the rejected response of a tenth of the rows by another prompt's chosen response.

    Such a response is good but does not fit the prompt, so the model cannot score style alone.
    """
    random_ = random.Random(seed)
    changed = []
    for row in rows:
        other = rows[random_.randrange(len(rows))]
        swap = random_.random() < CROSS_PROMPT_SHARE and other["prompt"] != row["prompt"]
        changed.append({**row, "rejected": other["chosen"]} if swap else row)
    return changed


def measure_on(
    scorer: RewardModel, prompt_format: PromptFormat, rows: list[dict], settings, *, split: str
) -> dict:
    """reward_metrics on the rows, and the gold reward's accuracy on the same labels; {} without rows."""
    if not rows:
        return {}
    chosen, rejected = sequences(prompt_format, rows, settings.max_length)
    scores = scorer.score(chosen + rejected, batch_size=2 * settings.micro_batch_size).tolist()
    metrics = reward_metrics(
        scores[: len(rows)],
        scores[len(rows) :],
        [row["prompt"] for row in rows],
        settings.seed,
        chosen_lengths=[len(ids) for ids in chosen],
        rejected_lengths=[len(ids) for ids in rejected],
    )
    return {**metrics, "split": split, "bayes_accuracy": bayes_accuracy(rows)}


def bayes_accuracy(rows: list[dict]) -> float | None:
    """The gold reward's accuracy on the noisy labels, ties counting 0.5; None outside the tiny world."""
    credit = 0.0
    for row in rows:
        chosen, rejected = (world.gold(row["prompt"], row[side]) for side in ("chosen", "rejected"))
        if chosen is None or rejected is None:
            return None
        margin = chosen.total - rejected.total
        credit += 0.5 if margin == 0 else float(margin > 0)
    return credit / len(rows)
