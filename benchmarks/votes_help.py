"""Do votes help? Simulated rankings that follow the gold reward, and which prompts to ask about next.

    python -m benchmarks.votes_help --workspace W --rankings 300 --seeds 8 --json FILE

W needs policies and reward models of the preset `tiny` (`python -m pipeline all`). The four policies answer fresh
requests of the tiny world, which no data set of W holds, and a simulated rater ranks the answers by gold. Two
questions are asked, each over several training seeds, with a 95 % interval over seeds (Student's t):

1. Does a reward model that is trained on W's pairs and the rankings order fresh answers better than one that is
   trained on W's pairs alone?
2. Does asking about the prompts on which the three reward models disagree help more than asking about as many
   random prompts?

Accuracy is the share of pairs of fresh answers, of other requests than those that were ranked, that the reward
model orders as gold does.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.special import expit
from scipy.stats import t as student

from data.files import read_jsonl
from data.policies import PRECISIONS
from data.workspace import Workspace
from data.world import gold
from data.world.generate import draw_prompt
from pipeline.arena.lineup import Lineup, choose
from pipeline.arena.rewards import reward_models
from pipeline.runs.lineage import newest_done

LEAST_DIFFERENCE = 0.05  # of gold, for a pair that is ranked or tested
POOL = 5  # prompts to choose from, per prompt that is asked about


@dataclass(frozen=True)
class Answered:
    """A prompt, the policies' answers and their gold."""

    prompt: str
    texts: tuple[str, ...]
    golds: tuple[float, ...]

    def pairs(self) -> list[dict[str, str]]:
        """The preference pairs that a ranking by gold implies."""
        return [
            {"prompt": self.prompt, "chosen": self.texts[i], "rejected": self.texts[j]}
            for i, j in self.ordered()
        ]

    def ordered(self) -> list[tuple[int, int]]:
        """(better, worse) places of the answers that differ in text and clearly in gold."""
        found = []
        for i, j in combinations(range(len(self.texts)), 2):
            better, worse = (i, j) if self.golds[i] > self.golds[j] else (j, i)
            clear = self.golds[better] - self.golds[worse] >= LEAST_DIFFERENCE
            if clear and self.texts[i] != self.texts[j]:
                found.append((better, worse))
        return found


@dataclass(frozen=True)
class Difference:
    """A mean over seeds of a difference of accuracies, with its 95 % interval."""

    what: str
    mean: float
    low: float
    high: float
    seeds: int


def difference(what: str, values: Sequence[float]) -> Difference:
    """The mean of one value per seed and its interval; the bounds are infinite for one seed."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return Difference(what, float(array.mean()), -np.inf, np.inf, len(array))
    half = float(student.ppf(0.975, len(array) - 1)) * float(array.std(ddof=1)) / len(array) ** 0.5
    return Difference(what, float(array.mean()), array.mean() - half, array.mean() + half, len(array))


def disagreement(scores: np.ndarray) -> float:
    """How much models disagree on one prompt: the variance over models of the probability that one answer is
    better than another, averaged over pairs. scores: [models, answers]; each model's scale is its own, so
    they are divided by the model's standard deviation over all prompts before."""
    first, second = np.triu_indices(scores.shape[1], k=1)
    chances = expit(scores[:, first] - scores[:, second])
    return float(chances.var(axis=0).mean())


def accuracy(scores: Iterable[Sequence[float]], answered: Sequence[Answered]) -> float:
    """The share of clear pairs that the scores order as gold does; equal scores count half."""
    credits = [
        0.5 + 0.5 * np.sign(row[better] - row[worse])
        for row, one in zip(scores, answered, strict=True)
        for better, worse in one.ordered()
    ]
    return float(np.mean(credits))


def fresh_prompts(count: int, taken: set[str], seed: int) -> list[str]:
    """Different prompts of the tiny world that are not taken."""
    rng, found = random.Random(seed), dict[str, None]()
    while len(found) < count:
        prompt, _ = draw_prompt(rng)
        if prompt not in taken:
            found[prompt] = None
    return list(found)


def answers_of(lineup: Lineup, prompts: Sequence[str]) -> list[Answered]:
    """The policies' answers to the prompts, with their gold."""
    from pipeline.arena.worker import Answerer  # torch

    answerer = Answerer()
    answerer.load(lineup.as_json())
    found = []
    for seed, prompt in enumerate(prompts):
        rows = [{"policy": name, "prompt": prompt} for name in lineup.names]
        given = answerer.answer(rows, seed=seed, **lineup.decoding)
        texts = tuple(given[name]["text"] for name in lineup.names)
        totals = [gold(prompt, text) for text in texts]
        golds = tuple(found_.total if found_ is not None else 0.0 for found_ in totals)
        found.append(Answered(prompt, texts, golds))
    return found


def scores_of(folder: Path, base: str, precision: str, answered: Sequence[Answered]) -> np.ndarray:
    """[prompts, answers], a reward model's scores."""
    from pipeline.arena.scoring import Scorer  # torch

    rows = [{"prompt": one.prompt, "text": text} for one in answered for text in one.texts]
    reward = {"base_model": base, "folder": str(folder), "precision": precision}
    return np.array(Scorer().score(reward, rows)).reshape(len(answered), -1)


class Trainer:
    """Trains bf16 reward models in a workspace, each on a data set of its own."""

    def __init__(self, workspace: Workspace, train: list[dict], sft_run: str, steps: int):
        self.workspace, self.train, self.sft_run, self.steps = workspace, train, sft_run, steps

    def model(self, name: str, pairs: list[dict[str, str]], seed: int) -> Path:
        """The model folder of a reward model that is trained on W's pairs and these."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.jsonl"
            path.write_text(
                "".join(json.dumps(row) + "\n" for row in [*self.train, *pairs]), encoding="utf-8"
            )
            self._run("prepare", f"source={path}", f"name={name}", f"seed={seed}")
        steps = [f"max_steps={self.steps}"] if self.steps else []
        return self._run(
            "reward", f"dataset={name}", f"sft_run={self.sft_run}", f"seed={seed}", *steps
        ).with_name("model")

    def _run(self, stage: str, *settings: str) -> Path:
        """Run a stage; returns the path of its run.json, which the command prints last."""
        command = [sys.executable, "-m", "pipeline", stage, "--workspace", str(self.workspace.root)]
        done = subprocess.run(
            [*command, "--set", *settings], check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        return Path(done.stdout.strip().splitlines()[-1])


def study(workspace: Workspace, rankings: int, tests: int, seeds: int, steps: int) -> list[Difference]:
    """Both questions; see the module's docstring."""
    lineup = choose(workspace, None, "runs-tiny")
    sft = newest_done(workspace, "sft", "tiny")
    if sft is None:
        raise SystemExit(f"{workspace.root}: run `python -m pipeline all` there first")
    dataset = workspace.dataset(sft.parents.dataset)
    keys = ("prompt", "chosen", "rejected")
    train = [{key: row[key] for key in keys} for row in read_jsonl(dataset / "train_prefs.jsonl")]
    taken = {row["prompt"] for path in dataset.glob("*_prefs.jsonl") for row in read_jsonl(path)}
    answered = answers_of(lineup, fresh_prompts(POOL * rankings + tests, taken, seed=1))
    pool, tested = answered[: POOL * rankings], answered[POOL * rankings :]
    models = {
        model.precision: workspace.run(model.run) / "model" for model in reward_models(workspace, lineup)
    }
    given = np.stack([scores_of(models[p], lineup.base_model, p, pool) for p in PRECISIONS if p in models])
    given /= given.std(axis=(1, 2), keepdims=True)
    doubt = np.array([disagreement(given[:, place]) for place in range(len(pool))])
    active = [pool[place] for place in np.argsort(-doubt)[:rankings]]
    trainer = Trainer(workspace, train, sft.id, steps)
    found: dict[str, list[float]] = {"none": [], "random": [], "active": []}
    for seed in range(1, seeds + 1):
        chosen = {"none": [], "random": random.Random(seed).sample(pool, rankings), "active": active}
        for name, asked in chosen.items():
            pairs = [pair for one in asked for pair in one.pairs()]
            folder = trainer.model(f"votes-help-{name}-{seed}", pairs, seed)
            found[name].append(accuracy(scores_of(folder, lineup.base_model, "bf16", tested), tested))
            print(f"seed {seed} {name}: {len(pairs)} pairs, accuracy {found[name][-1]:.4f}", flush=True)
    columns = {name: np.array(values) for name, values in found.items()}
    return [
        difference("random rankings against none", columns["random"] - columns["none"]),
        difference("active rankings against random", columns["active"] - columns["random"]),
    ]


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--rankings", type=int, default=300)
    parser.add_argument("--tests", type=int, default=400, help="fresh prompts for the accuracy")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=0, help="of a reward training; 0 = the preset's")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = study(Workspace(options.workspace), options.rankings, options.tests, options.seeds, options.steps)
    for row in rows:
        print(f"{row.what}: {row.mean:+.4f} ({row.low:+.4f} to {row.high:+.4f}), {row.seeds} seeds")
    if options.json:
        options.json.write_text(
            json.dumps({"rows": [asdict(row) for row in rows]}, indent=1), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
