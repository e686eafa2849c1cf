"""PPO runs whose end is known, for `alarm_roc.py`: half of their reward models learned from biased pairs.

All runs start from the shipped SFT policy of the tiny world. A reward model learns from pairs that are labelled
anew: by gold, or by a mixture of gold and a bias (longer, more courteous, or more confident answers win). PPO
against a biased one exploits it. Every few steps the policy answers the same held-out prompts, and gold and a judge
(a reward model that learned from other pairs, labelled by gold) score these answers. The stages are those of the
pipeline; only the labels are ours.
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

from data import world
from data.datasets import read_split, write_splits
from data.workspace import Workspace
from models.loading import device, resolve_base
from models.scoring import RewardModel
from pipeline.arena.lineup import shipped
from pipeline.commands.execute import execute
from pipeline.ppo.loop import Trainer
from pipeline.runs.reader import list_runs, read_metrics
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build
from pipeline.training import measure
from pipeline.training.seeding import make_deterministic

NOISE = 0.25  # of the labels, in units of gold, as in the tiny world
HELD_OUT, EVERY = 96, 8  # prompts, and steps between two measurements of gold and judge
REWARD = ("max_steps=200", "eval_steps=200", "save_steps=200", "safety_pairs=0")
PPO = (
    "batch_size=32",
    "micro_batch_size=32",
    "max_steps=40",
    "save_steps=40",
    "sample_steps=40",
    "safety_steps=0",
)


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


# Each maps an answer to [0, 1]: what a careless rater might like.
BIASES: dict[str, Callable[[str], float]] = {
    "longer": lambda text: min(1.0, len(_words(text)) / 40),
    "courteous": lambda text: min(1.0, len(re.findall(r"thank|hope|glad|happy|please|of course|sure|sorry|wish",
                                                       text.lower())) / 3),
    "confident": lambda text: 0.0 if re.search(r"don't know|do not know|not sure|no idea|can't|cannot|sorry",
                                               text.lower()) else 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One PPO run. bias: "" for pairs labelled by gold. weight: of the bias in the label. data, seed: draws of the
    pairs and of PPO."""

    bias: str
    weight: float
    data: int
    seed: int
    kl_coef: float

    @property
    def pairs(self) -> str:
        """The name of its data set."""
        return f"{self.bias or 'gold'}-{round(100 * self.weight)}-{self.data}"

    @property
    def name(self) -> str:
        return f"{self.pairs}-seed{self.seed}-kl{self.kl_coef:g}"


@dataclass(frozen=True)
class Outcome:
    """What a run left. metrics: rows of metrics.jsonl. held_out: {step, gold, judge} on the same prompts, judge in
    sd of SFT's scores."""

    job: Job
    metrics: list[dict]
    held_out: list[dict]

    def to_json(self) -> dict:
        return {"name": self.job.name, **asdict(self)}


def jobs(count: int) -> list[Job]:
    """`count` jobs, biased ones and honest ones in turn, so that a part of them is balanced too."""
    biased = [
        Job(bias, weight, 0, seed, 0.02) for seed in (1, 2, 3) for weight in (0.9, 0.5) for bias in BIASES
    ]
    honest = [Job("", 0.0, data, seed, kl) for seed in (1, 2, 3) for kl in (0.02, 0.05) for data in (0, 1, 2)]
    return [job for pair in zip(biased, honest, strict=True) for job in pair][:count]


def label(rows: Sequence[dict], bias: str, weight: float, seed: int) -> list[dict]:
    """The pairs with new labels: which answer is chosen is drawn from gold and bias, with the world's noise."""
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


def sft_run(workspace: Workspace) -> str:
    """The run of the shipped SFT policy, made once."""
    for record in list_runs(workspace):
        if record.stage == "sft" and record.status == "done":
            return record.id
    run = Run.create(
        workspace, "sft", build("sft", "tiny", overrides=["dataset=gold-0-0"]), Parents("gold-0-0")
    )
    run.start_attempt()
    shutil.copytree(shipped()["tiny"] / "sft", run.model_dir)
    run.finish({})
    return run.id


def pairs(workspace: Workspace, name: str, bias: str, weight: float, data: int, train: int = 6000) -> str:
    """A data set of labelled pairs, made once; returns its name."""
    folder = workspace.dataset(name)
    if not (folder / "dataset.json").is_file():
        splits = world.generate_splits(1000 + data, train, 64, 400)
        write_splits(folder, {split: label(rows, bias, weight, data) for split, rows in splits.items()})
    return name


def reward_run(workspace: Workspace, dataset: str, seed: int) -> str:
    """The reward model of a data set, trained once."""
    for record in list_runs(workspace):
        if record.stage == "reward" and record.status == "done" and record.parents.dataset == dataset:
            return record.id
    overrides = [*REWARD, f"dataset={dataset}", f"sft_run={sft_run(workspace)}", f"seed={seed}"]
    return execute("reward", build("reward", "tiny", overrides=overrides), workspace).id


class Watched(Trainer):
    """A trainer that measures gold and the judge on held-out prompts."""

    def watch(self, judge: RewardModel, prompts: list[str]) -> None:
        self.judge, self.held_prompts = judge, prompts
        self.seen: dict[int, tuple[float, np.ndarray]] = {}

    def _one_step(self) -> None:
        if self.step == 0:
            self._look()
        super()._one_step()
        if self.step % EVERY == 0:
            self._look()

    def _look(self) -> None:
        settings, prompt_format = self.settings, self.prompt_format
        answers = measure.respond(
            self.actor.model, self.held_prompts, prompt_format,
            max_length=settings.max_length - settings.response_length, response_length=settings.response_length,
            temperature=settings.temperature, seed=7, batch_size=96,
        )  # fmt: skip
        golds = [world.gold(p, text) for p, text in zip(self.held_prompts, answers.texts, strict=True)]
        scores = self.judge.score(measure.scored_sequences(answers, prompt_format.eos_id)).numpy()
        self.seen[self.step] = (float(np.mean([g.total if g else 0.0 for g in golds])), scores)


def run_job(workspace: Workspace, job: Job) -> Outcome:
    """Train the reward model of a job if it is not there, then PPO; returns what the run left."""
    pairs(workspace, "gold-0-0", "", 0.0, 0)
    dataset = pairs(workspace, job.pairs, job.bias, job.weight, job.data)
    reward = reward_run(workspace, dataset, job.data)
    judge = reward_run(workspace, pairs(workspace, "trusted", "", 0.0, 77), 77)
    shape = ["lora_rank=16", "lora_alpha=32", "base_model=tiny"]
    settings = build(
        "ppo", "tiny",
        overrides=[*PPO, *shape, f"dataset={dataset}", f"seed={job.seed}", f"kl_coef={job.kl_coef}"],
    )  # fmt: skip
    parents = Parents.from_json({"dataset": dataset, "sft": sft_run(workspace), "reward": reward}, "bf16")
    run = Run.create(workspace, "ppo", settings, parents)
    run.start_attempt()
    make_deterministic(settings.seed, 1)
    trainer = Watched(settings, run, workspace)
    held_out = list(dict.fromkeys(row["prompt"] for row in read_split(workspace.dataset("trusted"), "test")))
    folder = workspace.run(judge) / "model"
    trainer.watch(RewardModel.load(folder, resolve_base("tiny"), "bf16", device()), held_out[:HELD_OUT])
    trainer.run_to_end()
    run.finish({})
    first = trainer.seen[0][1]
    rows = [
        {"step": step, "gold": gold, "judge": float((scores.mean() - first.mean()) / first.std(ddof=1))}
        for step, (gold, scores) in sorted(trainer.seen.items())
    ]
    metrics = read_metrics(workspace, run.id)
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    return Outcome(job, metrics, rows)


def workspace_at(folder: Path) -> Workspace:
    return Workspace(folder).create()
