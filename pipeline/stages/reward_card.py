"""Scores for the report card of reward models (`evaluation.reward_card`), and the file card.json in their
runs.

SFT answers some held-out prompts several times, at PPO's temperature. Each reward model scores these answers
and its test pairs, and some of the pairs also one by one. Nothing is trained, and run.json stays as it is.

    python -m pipeline card RUN
"""

from __future__ import annotations

import gc
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import Code, UserError
from data.workspace import Workspace
from data.world.phrases import COURTESIES
from data.world.subjects import Subject, group, subject
from data.world.text import spaced
from evaluation import reward_card
from evaluation.reward_card import Answers, Card, Pairs
from models import adapters, loading
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.runs import cards
from pipeline.runs.reader import read_run
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import build
from pipeline.stages.reward import bayes_accuracy, sequences
from pipeline.training import measure
from pipeline.training import trainer as training

ANSWERS = 4  # of SFT, to each prompt
ALONE = 32  # test pairs that are also scored one by one


@dataclass(frozen=True)
class Tried:
    """SFT's answers: `repeats[k]` has the k-th answer to each prompt."""

    prompts: list[str]
    repeats: list[measure.Responses]

    @property
    def texts(self) -> list[list[str]]:
        """[P][K]"""
        return [list(row) for row in zip(*(answers.texts for answers in self.repeats), strict=True)]


def write_cards(
    workspace: Workspace, run_ids: Sequence[str], prompts: int = 64, seed: int = 42
) -> list[Card]:
    """Make the cards of reward runs that share an SFT run, and write them to their folders.

    prompts: how many held-out prompts SFT answers. Raises UserError for a run that is no done reward model,
    and for runs of different SFT models.
    """
    records = [_checked(workspace, run_id) for run_id in run_ids]
    parents = records[0].parents
    if any(record.parents.sft != parents.sft for record in records):
        raise UserError("the reward models come from different SFT runs", code=Code.PARENT_RUN)
    sft = workspace.run(parents.sft) / "model"
    base = loading.resolve_base(adapters.read_card(sft).get("base_model", ""))
    prompt_format = PromptFormat(loading.load_tokenizer(base))
    asked = measure.held_out_prompts(workspace, parents.dataset, prompts, seed)
    tried = _tried(records[0], sft, base, prompt_format, asked, seed)
    rows = training.read_rows(workspace, parents.dataset, "test")
    if not rows:
        raise UserError(f"data set {parents.dataset!r} has no test pairs", code=Code.DATASET)
    subjects = _subjects(workspace, parents.dataset) if _kinds(rows) else set()
    made = []
    for record in records:
        card = _card(workspace, record, base, prompt_format, rows, subjects, tried)
        cards.write(workspace, record.id, card, seed=seed, prompts=len(asked))
        made.append(card)
    return made


def _checked(workspace: Workspace, run_id: str) -> RunRecord:
    record = read_run(workspace, run_id)
    if record.stage != "reward" or record.status != "done":
        raise UserError(
            f"{run_id}: is a {record.stage} run that is {record.status}; "
            "only a done reward run has a report card",
            code=Code.STATE,
        )
    return record


def _tried(
    record: RunRecord, sft: Path, base: Path, prompt_format: PromptFormat, prompts: list[str], seed: int
) -> Tried:
    """SFT's answers with the sampling of PPO in the reward model's preset."""
    ppo = build("ppo", record.preset or None)
    model = loading.load_causal(base, "bf16", loading.device())
    model = adapters.load(model, sft, "sft", base=base).eval()
    repeats = [
        measure.respond(
            model,
            prompts,
            prompt_format,
            max_length=ppo.max_length - ppo.response_length,
            response_length=ppo.response_length,
            temperature=ppo.temperature,
            seed=seed + 1000 * k,
        )
        for k in range(ANSWERS)
    ]
    del model
    gc.collect()
    return Tried(prompts, repeats)


def _card(
    workspace: Workspace,
    record: RunRecord,
    base: Path,
    prompt_format: PromptFormat,
    rows: list[dict],
    subjects: set[Subject],
    tried: Tried,
) -> Card:
    folder = workspace.run(record.id) / "model"
    model = RewardModel.load(folder, base, record.precision, loading.device())
    size = 2 * int(record.config["micro_batch_size"])
    chosen, rejected = sequences(prompt_format, rows, int(record.config["max_length"]))
    scores = model.score(chosen + rejected, batch_size=size).double().numpy()
    answered = np.stack(
        [
            model.score(measure.scored_sequences(answers, prompt_format.eos_id)).double().numpy()
            for answers in tried.repeats
        ],
        axis=-1,
    )  # [P, K]
    some = chosen[:ALONE] + rejected[:ALONE]
    n = len(rows)
    picked = [*range(len(some) // 2), *range(n, n + len(some) // 2)]
    alone = model.score(some, batch_size=1).double().numpy()
    del model
    gc.collect()
    return reward_card.card(
        Pairs(
            scores[:n],
            scores[n:],
            [row["prompt"] for row in rows],
            _kinds(rows),
            _seen(rows, subjects),
            bayes_accuracy(rows),
        ),
        _answers(tried, answered),
        reward_card.batch_dependence(alone, scores[picked], float(answered.std())),
        seed=int(record.seed or 0),
    )


def _answers(tried: Tried, scores: np.ndarray) -> Answers:
    texts = tried.texts
    totals = [measure.gold_parts(tried.prompts, answers.texts) for answers in tried.repeats]
    gold = [[None if parts is None else parts["total"] for parts in column] for column in totals]
    known = all(value is not None for column in gold for value in column)
    return Answers(
        texts,
        scores,
        [[len(re.findall(r"[\w']+", text)) for text in row] for row in texts],
        [[len(COURTESIES.findall(spaced(text))) for text in row] for row in texts],
        np.array(gold, dtype=np.float64).T if known else None,
    )


def _kinds(rows: list[dict]) -> list[str] | None:
    """The group of kinds of each pair; None if the data set has no kinds."""
    return [group(row["kind"]) for row in rows] if all(row.get("kind") for row in rows) else None


def _subjects(workspace: Workspace, dataset: str) -> set[Subject]:
    """The subjects of the training pairs."""
    rows = training.read_rows(workspace, dataset, "train")
    return {found for row in rows if (found := subject(row["prompt"]))}


def _seen(rows: list[dict], subjects: set[Subject]) -> list[bool | None] | None:
    """Whether the subject of each pair occurs in training, None for a pair without one; None without any."""
    found = [subject(row["prompt"]) for row in rows] if subjects else []
    return [None if one is None else one in subjects for one in found] or None
