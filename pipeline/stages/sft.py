"""Supervised fine-tuning: a LoRA adapter learns to answer like the chosen responses.

TRL's SFTTrainer trains on a frozen bf16, int8 or int4 base (QLoRA, arXiv 2305.14314); the loss covers the
response and its EOS, never the prompt. The stage reads the `chosen` side of a preference data set and ignores
the rejected one; pipeline.stages.reward and pipeline.ppo.loop learn from preferences.

    python -m pipeline sft --set max_steps=50
"""

import math

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from data.safety_pairs import everyday_answers, refusals
from data.workspace import Workspace
from evaluation.safety import is_evasion
from models import adapters, loading
from models.fast import response_loss
from models.generation import generate
from models.prompting import PromptFormat
from pipeline.runs.record import Run
from pipeline.settings.fields import SftSettings
from pipeline.training import attempts, distributed, practice, trained
from pipeline.training import trainer as training
from pipeline.training.reporter import Reporter
from pipeline.training.seeding import make_deterministic
from pipeline.training.token_cache import cached

ADAPTER = "sft"
SAMPLES, SAMPLE_LENGTH, SAMPLE_TEMPERATURE = 4, 48, 0.7


class _Trainer(training.ReproducibleTrainer, SFTTrainer):
    pass


def train(settings: SftSettings, run: Run, workspace: Workspace) -> dict:
    """Train and write model/; returns eval_loss, perplexity, steps and the number of examples."""
    make_deterministic(settings.seed)
    base = loading.resolve_base(settings.base_model)
    dataset = run.record.parents.dataset
    rows = practised(training.read_rows(workspace, dataset, "train", settings.max_rows), settings)
    held_out = training.read_rows(workspace, dataset, "validation", training.EVALUATION_ROWS)

    prompt_format = PromptFormat(loading.load_tokenizer(base))
    longest = settings.max_length
    examples = distributed.leader_first(
        lambda: cached(workspace, "sft", base, longest, rows, lambda: tokenise(prompt_format, rows, longest))
    )
    model = starting_model(settings, base)
    before = {name: p.detach().clone() for name, p in trained.trainables(model).items()}

    def sample(step: int) -> None:
        if settings.max_length > SAMPLE_LENGTH and not settings.split_base:
            _sample(model, prompt_format, held_out[:SAMPLES], settings, run, step)

    reporter = Reporter(run, settings.early_stopping_patience, sample)
    evaluated = tokenise(prompt_format, held_out, settings.max_length) if held_out else None
    lengths = [len(ids) for ids in examples["input_ids"]]

    filler = {"input_ids": [prompt_format.eos_id] * 2, "labels": [-100] * 2}

    def trainer_with(now: SftSettings) -> _Trainer:
        trainer = _Trainer(
            model=model,
            args=training.arguments(
                SFTConfig, now, run, evaluates=bool(held_out),
                dataset_kwargs={"skip_prepare_dataset": True}, packing=False,
            ),
            data_collator=DataCollatorForLanguageModeling(pad_token_id=prompt_format.pad_id),
            train_dataset=examples,
            eval_dataset=evaluated,
            processing_class=prompt_format.tokenizer,
            callbacks=[reporter],
        )  # fmt: skip
        # The lean head needs the whole model on one device.
        if response_loss.can_use(model) and not distributed.sharding() and not settings.split_base:
            response_loss.use_lean_head(model)
        # TRL casts the trainables of a quantised model to bf16, which drops small updates; restore fp32.
        trained.restore(model, before)
        trainer.start(run, reporter, lengths, settings.micro_batch_size, filler)
        return trainer

    trainer, facts = attempts.train(trainer_with, settings, reporter)

    whole = trained.in_one_piece(model, lambda: starting_model(settings, base))
    if run.leads:
        adapters.save(
            whole, run.model_dir, ADAPTER, base=base, precision=settings.precision, name=settings.base_model
        )
    if held_out and (reporter.last_evaluation.get("step") != facts["steps"] or "best_eval_loss" in facts):
        reporter.on_evaluation, reporter.patience = None, 0
        trainer.evaluate()
    own_answers = {}
    if run.leads and settings.practice_answers:
        own_answers = {"practice": practice.write(whole, prompt_format, settings, run)}
    loss = reporter.last_evaluation.get("eval_loss")
    return {
        "eval_loss": loss,
        "perplexity": math.exp(min(loss, 50.0)) if loss is not None else None,
        "token_accuracy": reporter.last_evaluation.get("eval_mean_token_accuracy"),
        "examples": len(examples),
        "validation_examples": len(held_out),
        **own_answers,
        **facts,
    }


def practised(rows: list[dict], settings: SftSettings) -> list[dict]:
    """The rows, without evasive answers if so set, and the built-in requests that SFT practises."""
    if settings.skip_evasions:
        rows = [row for row in rows if not is_evasion(row["chosen"])]
    built_in = everyday_answers(settings.everyday_answers, settings.seed)
    built_in += refusals(settings.refusals, settings.seed)
    return rows + [pair.row() for pair in built_in]


def starting_model(settings: SftSettings, base):
    """The base with a fresh adapter."""
    model = loading.load_causal(base, settings.precision, loading.device(), split=settings.split_base)
    loading.check_length(model, settings.max_length)
    shape = adapters.lora_config(
        model, settings.lora_rank or 16, settings.lora_alpha or 32, settings.lora_dropout, "CAUSAL_LM"
    )
    return adapters.attach(model, shape, ADAPTER)


def tokenise(prompt_format: PromptFormat, rows: list[dict], max_length: int) -> Dataset:
    """Columns input_ids and labels; labels are -100 on the prompt, so that only the response counts."""
    prompts = prompt_format.encode_prompts([row["prompt"] for row in rows], max_length)
    responses = prompt_format.encode_responses([row["chosen"] for row in rows])
    ids, labels = [], []
    for prompt, response in zip(prompts, responses, strict=True):
        prompt, response = prompt_format.fit(prompt, response, max_length)
        ids.append(prompt + response)
        labels.append([-100] * len(prompt) + response)
    return Dataset.from_dict({"input_ids": ids, "labels": labels})


def _sample(model, prompt_format: PromptFormat, rows: list[dict], settings, run: Run, step: int) -> None:
    """Record a few answers to held-out prompts. They use a separate random generator, so training is
    unaffected."""
    room = settings.max_length - SAMPLE_LENGTH
    was_training = model.training
    model.eval()
    answers = generate(
        model,
        prompt_format.encode_prompts([row["prompt"] for row in rows], room),
        max_new_tokens=SAMPLE_LENGTH,
        temperature=SAMPLE_TEMPERATURE,
        pad_id=prompt_format.pad_id,
        eos_id=prompt_format.eos_id,
        generator=torch.Generator().manual_seed(settings.seed),
        stop=prompt_format,
    )
    model.train(was_training)
    for row, tokens in zip(rows, answers.tokens, strict=True):
        ids, ended = prompt_format.cut_response(tokens)
        run.sample(
            {
                "step": step,
                "prompt": row["prompt"],
                "response": prompt_format.decode(ids),
                "chosen": row["chosen"],
                "ended": ended,
            }
        )
