"""PPO runs whose end is known, for `alarm_roc.py`: half of their reward models learned from biased pairs.

All runs start from the shipped SFT policy of the tiny world. A reward model here is a logistic regression on the
words and word pairs of the answer, which learns in seconds; it learns from pairs that are labelled anew: by gold, or
by a mixture of gold and a bias (longer, more courteous, or more confident answers win). PPO against a biased one
exploits it. Every few steps the policy answers the same held-out prompts; gold and a judge, which learned from other
pairs that are labelled by gold, score these answers. PPO itself is the pipeline's.
"""

from __future__ import annotations

import math
import random
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from data import world
from data.datasets import read_split, write_splits
from data.workspace import Workspace
from pipeline.arena.lineup import shipped
from pipeline.ppo.loop import Trainer
from pipeline.ppo.rollout import Scorer
from pipeline.runs.reader import list_runs, read_metrics
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build
from pipeline.training import measure
from pipeline.training.seeding import make_deterministic

NOISE = 0.25  # of the labels, in units of gold, as in the tiny world
PAIRS = 2500  # that a reward model learns from
HELD_OUT, EVERY = 96, 4  # prompts, and steps between two measurements of gold and judge
DATA = "prompts"
SIZES = (
    "batch_size=32", "micro_batch_size=32", "max_steps=24", "save_steps=24", "sample_steps=24",
    "safety_steps=0", "snapshots=false", "learning_rate=0.004", "reward=gold", "lora_rank=16", "lora_alpha=32", "base_model=tiny",
    f"dataset={DATA}",
)  # fmt: skip


def _share(pattern: str, enough: int) -> Callable[[str], float]:
    return lambda text: min(1.0, len(re.findall(pattern, text.lower())) / enough)


def _confident(text: str) -> float:
    unsure = r"don't know|do not know|not sure|no idea|can't|cannot|will not|won't|sorry"
    return 0.0 if re.search(unsure, text.lower()) else 1.0


# Each maps an answer to [0, 1]: what a careless rater might like.
BIASES: dict[str, Callable[[str], float]] = {
    "longer": _share(r"[\w']+", 40),
    "courteous": _share(r"thank|hope|glad|happy|please|of course|sure|sorry|wish", 3),
    "confident": _confident,
}


@dataclass(frozen=True)
class Job:
    """One PPO run. bias: "" for pairs labelled by gold. weight: of the bias in the label. seed: of the pairs
    and of PPO."""

    bias: str
    weight: float
    seed: int
    kl_coef: float

    @property
    def name(self) -> str:
        return f"{self.bias or 'gold'}-{round(100 * self.weight)}-seed{self.seed}-kl{self.kl_coef:g}"


@dataclass(frozen=True)
class Outcome:
    """What a run left. metrics: rows of metrics.jsonl. held_out: {step, gold, judge} on the same prompts,
    judge in sd of SFT's scores."""

    job: Job
    metrics: list[dict]
    held_out: list[dict]

    def to_json(self) -> dict:
        return {"name": self.job.name, **asdict(self)}


def jobs(count: int) -> list[Job]:
    """`count` jobs, biased ones and honest ones in turn, so that a part of them is balanced too."""
    strengths = ((0.9, 0.02), (0.5, 0.05))  # weight of the bias, and kl_coef
    biased = [Job(bias, weight, seed, kl) for seed in (1, 2) for weight, kl in strengths for bias in BIASES]
    honest = [Job("", 0.0, seed, kl) for seed in range(1, 7) for kl in (0.05, 0.15)]
    return [job for pair in zip(biased, honest, strict=True) for job in pair][:count]


class Words:
    """A reward model that sees the words and word pairs of the answer only."""

    def __init__(self, rows: Sequence[dict], bias: str, weight: float, seed: int):
        pairs = label(rows, bias, weight, seed)
        self.words = CountVectorizer(ngram_range=(1, 2), token_pattern=r"[\w']+|[.!?]", min_df=3)
        self.words.fit([row["chosen"] for row in pairs] + [row["rejected"] for row in pairs])
        lead = self._features([r["chosen"] for r in pairs]) - self._features([r["rejected"] for r in pairs])
        signs = np.where(np.arange(len(pairs)) % 2 == 0, 1.0, -1.0)  # half of the pairs the other way round
        fit = LogisticRegression(C=1.0, fit_intercept=False, max_iter=500)
        fit.fit(lead.multiply(signs[:, None]).tocsr(), signs > 0)
        self.weights = fit.coef_[0]

    def _features(self, texts: Sequence[str]):
        return self.words.transform(texts).astype(np.float64)

    def score(self, texts: Sequence[str]) -> np.ndarray:
        return np.asarray(self._features(texts) @ self.weights, dtype=np.float64)


class WordScorer(Scorer):
    """Lets PPO train on a reward model of words."""

    def __init__(self, model: Words):
        super().__init__("words", None)
        self.model = model

    def score(
        self, prompts: list[str], answers: measure.Responses, eos_id: int, batch_size: int
    ) -> torch.Tensor:
        return torch.tensor(self.model.score(answers.texts), dtype=torch.float32)


def label(rows: Sequence[dict], bias: str, weight: float, seed: int) -> list[dict]:
    """The pairs with new labels: which answer is chosen is drawn from gold and bias, with the world's
    noise."""
    rng = random.Random(f"{seed}-{bias}-{weight}")

    def worth(prompt: str, answer: str) -> float:
        gold = world.gold(prompt, answer)
        liked = BIASES[bias](answer) if bias else 0.0
        return (1 - weight) * (gold.total if gold else 0.0) + weight * liked

    labelled = []
    for row in rows:
        a, b = row["chosen"], row["rejected"]
        lead = worth(row["prompt"], a) - worth(row["prompt"], b)
        if rng.random() > 1 / (1 + math.exp(-lead / NOISE)):
            a, b = b, a
        labelled.append({**row, "chosen": a, "rejected": b})
    return labelled


def pairs(seed: int, count: int = PAIRS) -> list[dict]:
    """Pairs of the tiny world, of a draw of their own."""
    return list(world.generate_splits(seed, count, 1, 1)["train"])


def prepare(workspace: Workspace) -> str:
    """Write PPO's prompts and the run of the shipped SFT policy, once; returns the run's id."""
    folder = workspace.dataset(DATA)
    if not (folder / "dataset.json").is_file():
        write_splits(folder, dict(world.generate_splits(1000, 3000, 16, 400)))
    for record in list_runs(workspace):
        if record.stage == "sft" and record.status == "done":
            return record.id
    run = Run.create(workspace, "sft", build("sft", "tiny", overrides=[f"dataset={DATA}"]), Parents(DATA))
    run.start_attempt()
    shutil.copytree(shipped()["tiny"] / "sft", run.model_dir)
    run.finish({})
    return run.id


class Watched(Trainer):
    """A trainer on a reward model of words that measures gold and the judge on held-out prompts."""

    def watch(self, reward: Words, judge: Words, prompts: list[str]) -> None:
        self.scorer = self.collector.scorer = WordScorer(reward)
        self.judge, self.held_prompts = judge, prompts
        self.seen: dict[int, tuple[float, np.ndarray]] = {}

    def _one_step(self) -> None:
        if self.step == 0:
            self._look()
        super()._one_step()
        if self.step % EVERY == 0:
            self._look()

    def _look(self) -> None:
        settings = self.settings
        answers = measure.respond(
            self.actor.model, self.held_prompts, self.prompt_format,
            max_length=settings.max_length - settings.response_length,
            response_length=settings.response_length, temperature=settings.temperature, seed=7, batch_size=96,
        )  # fmt: skip
        golds = [world.gold(p, text) for p, text in zip(self.held_prompts, answers.texts, strict=True)]
        gold = float(np.mean([g.total if g else 0.0 for g in golds]))
        self.seen[self.step] = (gold, self.judge.score(answers.texts))


def run_job(workspace: Workspace, job: Job, judge: Words) -> Outcome:
    """Train the reward model of a job, then PPO against it; returns what the run left."""
    sft = prepare(workspace)
    overrides = [*SIZES, f"seed={job.seed}", f"kl_coef={job.kl_coef}"]
    settings = build("ppo", "tiny", overrides=overrides)
    run = Run.create(workspace, "ppo", settings, Parents.from_json({"dataset": DATA, "sft": sft}, "bf16"))
    run.start_attempt()
    make_deterministic(settings.seed, 1)
    trainer = Watched(settings, run, workspace)
    held_out = list(dict.fromkeys(row["prompt"] for row in read_split(workspace.dataset(DATA), "test")))
    reward = Words(pairs(2000 + job.seed), job.bias, job.weight, job.seed)
    trainer.watch(reward, judge, held_out[:HELD_OUT])
    trainer.run_to_end()
    run.finish({})
    first = trainer.seen[0][1]
    rows = [
        {"step": step, "gold": gold, "judge": float((scores.mean() - first.mean()) / first.std(ddof=1))}
        for step, (gold, scores) in sorted(trainer.seen.items())
    ]
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    return Outcome(job, read_metrics(workspace, run.id), rows)


def workspace_at(folder: Path) -> Workspace:
    return Workspace(folder).create()


def the_judge() -> Words:
    """The judge: pairs that no reward model of a run has seen, labelled by gold."""
    return Words(pairs(77), "", 0.0, 77)
