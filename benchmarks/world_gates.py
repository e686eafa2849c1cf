"""The gates of the tiny world: can it tell reward models apart?

Measured on a workspace of the preset `tiny` (`python -m pipeline all`), on the bf16 arm:

1. A bag of words, blind to the prompt, is at least 5 points of accuracy below the reward model on the test pairs.
2. A text editor that deletes SFT's rude sentences and fillers and adds one courtesy gives at most a quarter of PPO's
   gain in gold, on the same prompts.
3. Round-to-nearest weights of 2 bits harm the reward model's accuracy, and those of 3 bits should; 4 bits are shown.

    python -m benchmarks.world_gates --workspace W [--prompts 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import nn

from data import world
from data.datasets import read_split
from data.errors import UserError
from data.workspace import Workspace
from data.world.answers import CLOSINGS, FILLERS, RUDE_AFTER, RUDE_BEFORE
from data.world.phrases import COURTESIES
from data.world.text import sentences, spaced
from evaluation import bag_of_words
from models import adapters, loading
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.runs.lineage import newest_done
from pipeline.runs.record_file import RunRecord
from pipeline.stages.reward import bayes_accuracy, sequences
from pipeline.training import measure

LEAST_LEAD = 0.05  # of the reward model's accuracy over the bag of words
MOST_BY_EDITING = 0.25  # of PPO's gain
BITS = (4, 3, 2)
SEED, TEMPERATURE, LONGEST, ANSWER = 42, 0.7, 192, 48
RESAMPLES = 2000


@dataclass(frozen=True)
class Rounded:
    """The reward model on a base whose weights are rounded to so many bits.

    error: of the weights, root mean square relative to theirs. difference: of the accuracy to bf16's, with its 95 %
    interval by bootstrap over the test pairs.
    """

    bits: int
    error: float
    accuracy: float
    difference: float
    interval: tuple[float, float]

    @property
    def harms(self) -> bool:
        return self.interval[1] < 0


@dataclass(frozen=True)
class Gates:
    """Accuracies are on the noisy labels of the test pairs, golds on the same held-out prompts."""

    pairs: int
    bag_of_words: float
    reward_model: float
    best: float
    seen: float  # accuracy of the reward model on subjects that training pairs have
    unseen: float  # and on those that they have not
    prompts: int
    sft: float
    edited: float
    ppo: float
    rounded: tuple[Rounded, ...]

    @property
    def by_editing(self) -> float:
        """The share of PPO's gain that the text editor reaches."""
        return (self.edited - self.sft) / (self.ppo - self.sft)

    def passed(self) -> dict[str, bool]:
        harms = {row.bits: row.harms for row in self.rounded}
        return {
            "bag of words": self.reward_model - self.bag_of_words >= LEAST_LEAD,
            "string edits": self.ppo > self.sft and self.by_editing <= MOST_BY_EDITING,
            "2 bits": harms[2],
            "3 bits": harms[3],
        }


def measure_gates(workspace: Workspace, prompts: int) -> Gates:
    """Raises UserError if the workspace lacks a finished run of the bf16 arm."""
    sft, reward, ppo = (
        _run(workspace, *wanted) for wanted in (("sft", None), ("reward", "bf16"), ("ppo", "bf16"))
    )
    dataset = workspace.dataset(reward.parents.dataset)
    test, train = read_split(dataset, "test"), read_split(dataset, "train")
    leads = Scorer(workspace, reward, test)
    plain = leads.correct()
    held_out = np.array([world.asks_held_out(row["prompt"]) for row in test])
    asked = measure.held_out_prompts(workspace, reward.parents.dataset, prompts, SEED)
    told = {run.stage: answers(workspace, run, asked) for run in (sft, ppo)}
    return Gates(
        pairs=len(test),
        bag_of_words=bag_accuracy(train, test),
        reward_model=float(plain.mean()),
        best=bayes_accuracy(test) or float("nan"),
        seen=float(plain[~held_out].mean()),
        unseen=float(plain[held_out].mean()),
        prompts=len(asked),
        sft=gold_mean(asked, told["sft"]),
        edited=gold_mean(asked, [edited(text) for text in told["sft"]]),
        ppo=gold_mean(asked, told["ppo"]),
        rounded=tuple(_rounded(leads, plain, bits) for bits in BITS),
    )


def _run(workspace: Workspace, stage: str, precision: str | None) -> RunRecord:
    run = newest_done(workspace, stage, "tiny", precision)
    if run is None:
        raise UserError(f"{workspace.root}: no finished {stage} run; run `python -m pipeline all` first")
    return run


def bag_accuracy(train: Sequence[dict], test: Sequence[dict]) -> float:
    """Accuracy on the test pairs of a bag of words that was fitted to the training pairs."""
    model = bag_of_words.fit([row["chosen"] for row in train], [row["rejected"] for row in train])
    return bag_of_words.accuracy(model, [row["chosen"] for row in test], [row["rejected"] for row in test])


def edited(text: str) -> str:
    """An answer without its rude sentences and fillers, and with one courtesy if it has none."""
    dropped = {spaced(s) for s in (*RUDE_BEFORE, *RUDE_AFTER, *FILLERS)}
    text = " ".join(s for s in sentences(text) if spaced(s) not in dropped)
    return text if COURTESIES.search(spaced(text)) else f"{text} {CLOSINGS[0]}".strip()


def gold_mean(prompts: Sequence[str], texts: Sequence[str]) -> float:
    golds = [world.gold(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
    return fmean(gold.total for gold in golds if gold is not None)


def answers(workspace: Workspace, run: RunRecord, prompts: list[str]) -> list[str]:
    """A policy's answers to the prompts, at the temperature of training."""
    return policy_answers(workspace.run(run.id) / "model", prompts)


def policy_answers(folder: Path, prompts: list[str]) -> list[str]:
    """The answers of the policy in a model folder, on the shipped base."""
    base = loading.resolve_base("tiny")
    model = loading.load_causal(base, "bf16", loading.device())
    model = adapters.load(model, folder, "policy", base=base)
    prompt_format = PromptFormat(loading.load_tokenizer(base))
    return measure.respond(
        model, prompts, prompt_format, max_length=LONGEST, response_length=ANSWER, temperature=TEMPERATURE, seed=SEED
    ).texts  # fmt: skip


class Scorer:
    """The reward model of a run and the token sequences of the test pairs."""

    def __init__(self, workspace: Workspace, run: RunRecord, rows: list[dict]):
        base = loading.resolve_base("tiny")
        self.model = RewardModel.load(workspace.run(run.id) / "model", base, "bf16", loading.device())
        prompt_format = PromptFormat(loading.load_tokenizer(base))
        self.chosen, self.rejected = sequences(prompt_format, rows, LONGEST)

    def correct(self) -> np.ndarray:
        """1 for a pair whose chosen answer scores higher, 0.5 for equal scores, otherwise 0; [pairs]."""
        scores = self.model.score(self.chosen + self.rejected, batch_size=64).numpy()
        lead = scores[: len(self.chosen)] - scores[len(self.chosen) :]
        return np.where(lead == 0, 0.5, lead > 0)


def _rounded(scorer: Scorer, plain: np.ndarray, bits: int) -> Rounded:
    weights = base_weights(scorer.model.model)
    kept = [weight.detach().clone() for weight in weights]
    squares = total = 0.0
    with torch.no_grad():
        for weight in weights:
            new = nearest(weight, bits)
            squares += (new - weight).float().square().sum().item()
            total += weight.float().square().sum().item()
            weight.copy_(new)
        correct = scorer.correct()
        for weight, old in zip(weights, kept, strict=True):
            weight.copy_(old)
    draws = np.random.default_rng(SEED).integers(0, len(plain), (RESAMPLES, len(plain)))
    low, high = np.quantile((correct - plain)[draws].mean(axis=1), (0.025, 0.975))
    return Rounded(
        bits, (squares / total) ** 0.5, float(correct.mean()), float((correct - plain).mean()), (float(low), float(high))
    )  # fmt: skip


def base_weights(model: nn.Module) -> list[torch.Tensor]:
    """The matrices of the frozen base's blocks, without embeddings, adapters and norms."""
    named = model.named_parameters()
    return [p for name, p in named if p.ndim == 2 and ".h." in name and "lora_" not in name]


def nearest(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """A matrix rounded to the nearest of 2^bits - 1 equally spaced values per column, from -max to max."""
    levels = 2 ** (bits - 1) - 1
    scale = weight.float().abs().amax(dim=0, keepdim=True).clamp_min(1e-12) / levels
    return ((weight.float() / scale).round().clamp(-levels, levels) * scale).to(weight.dtype)


def table(gates: Gates) -> str:
    lines = [
        f"| reward model, bf16 | {gates.reward_model:.4f} (best reachable {gates.best:.4f}; {gates.pairs} pairs) |",
        f"| on subjects that training pairs have / have not | {gates.seen:.4f} / {gates.unseen:.4f} |",
        f"| bag of words | {gates.bag_of_words:.4f} |",
        f"| gold of SFT / of its edited answers / of PPO | {gates.sft:.3f} / {gates.edited:.3f} / {gates.ppo:.3f} ({gates.prompts} prompts) |",
        f"| share of PPO's gain by editing | {gates.by_editing:.0%} |",
    ]
    for row in gates.rounded:
        low, high = row.interval
        lines.append(
            f"| {row.bits} bits, round to nearest ({row.error:.0%} error) | {row.accuracy:.4f}, {row.difference:+.4f} [{low:+.4f}, {high:+.4f}] |"
        )
    verdicts = [f"{name}: {'passed' if ok else 'FAILED'}" for name, ok in gates.passed().items()]
    return "\n".join(["| measure | value |", "|---|---|", *lines, "", "; ".join(verdicts)])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    try:
        gates = measure_gates(Workspace(args.workspace), args.prompts)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(gates))
    if args.json:
        args.json.write_text(json.dumps({"rows": [asdict(gates)]}, indent=2), encoding="utf-8")
    return 0 if all(gates.passed().values()) else 1


if __name__ == "__main__":
    sys.exit(main())
