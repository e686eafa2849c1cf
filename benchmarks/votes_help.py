"""Do votes help? Simulated rankings that follow the gold reward, and which prompts to ask about next.

    python -m benchmarks.votes_help --workspace W --rankings 300 --seeds 8 --json FILE

W may be empty: the script prepares the tiny world's data and trains SFT and the reward models that are missing,
as the preset does (or for `--base-steps`). A script that was ended goes on where it stopped. The shipped demo policies answer fresh
requests of the tiny world, which no data set of W holds, and a simulated rater ranks the answers by gold. Two
questions are asked, each over several seeds, with a 95 % interval over seeds (Student's t). A seed stands for its
own draw of requests and its own further training; the seeds share `--bases` bf16 reward models, one by default:

1. Does this reward model order fresh answers better once it is trained further on the rankings, as the button
   *Train on all votes* does?
2. Does it help more to ask about the requests on which the reward models of the three precisions disagree most
   than about as many random ones?

Accuracy is the share of pairs of fresh answers, of other requests than those that were ranked, that the reward
model orders as gold does. W is the benchmark's own: its data sets and runs are of no other use.
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
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import t as student

from data.files import read_jsonl, write_atomic
from data.policies import PRECISIONS
from data.workspace import Workspace
from data.world import gold
from data.world.generate import draw_prompt
from pipeline.arena.learning import VotesPlan
from pipeline.arena.lineup import Lineup, choose
from pipeline.runs.lineage import newest_done

LEAST_DIFFERENCE = 0.05  # of gold, for a pair that is ranked or tested
POOL = 4  # requests to choose from, per request that is asked about
BASE = "votes-help"  # the data set on which the reward models are trained first
AT_ONCE = 32  # requests that are answered in one batch


@dataclass(frozen=True)
class Answered:
    """A prompt, the policies' answers and their gold."""

    prompt: str
    texts: tuple[str, ...]
    golds: tuple[float, ...]

    def pairs(self) -> list[dict[str, str | int]]:
        """The preference pairs that a ranking by gold implies, with their distance in places."""
        ranks = {gold: place for place, gold in enumerate(sorted(set(self.golds), reverse=True))}
        places = [ranks[gold] for gold in self.golds]
        return [
            {
                "prompt": self.prompt,
                "chosen": self.texts[i],
                "rejected": self.texts[j],
                "margin": places[j] - places[i],
            }
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
    import torch

    from models.generation import row_uniforms
    from pipeline.arena.worker import Answerer

    answerer = Answerer()
    answerer.load(lineup.as_json())
    (policies,), form = answerer.groups.values(), answerer.prompt_format
    steps, draws = lineup.max_new_tokens, torch.Generator().manual_seed(1)
    found = []
    for start in range(0, len(prompts), AT_ONCE):
        some = prompts[start : start + AT_ONCE]
        encoded = [form.encode_prompt(prompt, 256 - steps) for prompt in some]
        result = policies.generate(
            [name for _ in some for name in lineup.names],
            [ids for ids in encoded for _ in lineup.names],
            max_new_tokens=steps,
            temperature=lineup.temperature,
            pad_id=form.pad_id,
            eos_id=form.eos_id,
            uniforms=row_uniforms(len(some), steps, draws).repeat_interleave(len(lineup.names), dim=0),
            stop=form,
        )
        texts = [form.decode(form.cut_response(ids)[0]).strip() for ids in result.tokens]
        for place, prompt in enumerate(some):
            mine = tuple(texts[place * len(lineup.names) : (place + 1) * len(lineup.names)])
            totals = [gold(prompt, text) for text in mine]
            found.append(Answered(prompt, mine, tuple(one.total if one else 0.0 for one in totals)))
        print(f"answered {len(found)} of {len(prompts)} requests", flush=True)
    return found


def scores_of(folder: Path, precision: str, answered: Sequence[Answered]) -> np.ndarray:
    """[prompts, answers], a reward model's scores."""
    from pipeline.arena.scoring import Scorer  # torch

    rows = [{"prompt": one.prompt, "text": text} for one in answered for text in one.texts]
    reward = {"base_model": "tiny", "folder": str(folder), "precision": precision}
    return np.array(Scorer().score(reward, rows)).reshape(len(answered), -1)


@dataclass(frozen=True)
class Trainer:
    """Runs stages in the benchmark's workspace, each once."""

    workspace: Workspace
    extra: tuple[str, ...] = ()  # settings of the further training
    steps: int = 0  # of the first training of reward models; 0 = the preset's

    def prepared(self) -> set[str]:
        """The prompts of the data set; it is made where it is missing."""
        folder = self.workspace.dataset(BASE)
        if not folder.is_dir():
            self._run(
                "prepare", "bf16", "source=tiny", f"name={BASE}", "test_rows=300", "validation_rows=100"
            )
        return {row["prompt"] for path in folder.glob("*_prefs.jsonl") for row in read_jsonl(path)}

    def first(self, stage: str, precision: str = "bf16", seed: int = 42, *named: str) -> str:
        """The id of a run of a stage on the data set."""
        config: dict[str, Any] = dict(pair.split("=") for pair in named)
        config |= {"max_steps": self.steps} if self.steps and stage == "reward" else {}
        done = newest_done(self.workspace, stage, "tiny", precision, seed=seed, dataset=BASE, **config)
        if done is None:
            given = [f"{key}={value}" for key, value in config.items()]
            self._run(stage, precision, f"dataset={BASE}", f"seed={seed}", *given)
            return self.first(stage, precision, seed, *named)
        return done.id

    def further(self, name: str, pairs: list[dict], sft: str, start: str, seed: int) -> Path:
        """The model folder of a reward model that was trained further on these pairs."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in pairs), encoding="utf-8")
            self._run(
                "prepare", "bf16", f"source={path}", f"name={name}", f"seed={seed}", "test_fraction=0.02"
            )
        plan = VotesPlan(sft, BASE, {"bf16": start}).settings("reward")
        settings = [f"{key}={value}" for key, value in (plan | {"dataset": name, "start_run": start}).items()]
        return self._run("reward", "bf16", *settings, f"seed={seed}", *self.extra).with_name("model")

    def model(self, run: str) -> Path:
        return self.workspace.run(run) / "model"

    def _run(self, stage: str, precision: str, *settings: str) -> Path:
        """Run a stage; returns the path of its run.json, which the command prints last."""
        command = [sys.executable, "-m", "pipeline", stage, "--workspace", str(self.workspace.root)]
        done = subprocess.run(
            [*command, "--precision", precision, "--set", *settings],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        return Path(done.stdout.strip().splitlines()[-1])


@dataclass
class Study:
    """Both questions in one workspace; results are kept in it as they come."""

    trainer: Trainer
    rankings: int
    tests: int

    def run(self, seeds: Sequence[int], bases: int = 1) -> list[Difference]:
        """The table; see the module's docstring. bases: the number of reward models that the seeds share."""
        taken = self.trainer.prepared()
        sft = self.trainer.first("sft")
        stands = f"sft_run={sft}"
        rewards = {seed: self.trainer.first("reward", "bf16", 1 + seed % bases, stands) for seed in seeds}
        others = {p: self.trainer.first("reward", p, 1, stands) for p in PRECISIONS if p != "bf16"}
        answered = self._answered(taken)
        pool, tested = answered[self.tests :], answered[: self.tests]
        doubt = self._doubt(pool, {"bf16": self.trainer.first("reward", "bf16", 1, stands)} | others)
        found: dict[str, list[float]] = {"none": [], "random": [], "active": []}
        for seed in seeds:
            drawn = random.Random(seed).sample(range(len(pool)), POOL * self.rankings)
            asked = {
                "none": [],
                "random": drawn[: self.rankings],
                "active": sorted(drawn, key=lambda place: -doubt[place])[: self.rankings],
            }
            for name, places in asked.items():
                pairs = [pair for place in places for pair in pool[place].pairs()]
                found[name].append(self._accuracy(name, seed, pairs, sft, rewards[seed], tested))
        columns = {name: np.array(values) for name, values in found.items()}
        for name, values in columns.items():
            print(f"{name}: mean accuracy {values.mean():.4f}")
        return [
            difference("random rankings against none", columns["random"] - columns["none"]),
            difference("active rankings against none", columns["active"] - columns["none"]),
            difference("active rankings against random", columns["active"] - columns["random"]),
        ]

    def _answered(self, taken: set[str]) -> list[Answered]:
        path = self.trainer.workspace.root / "answered.jsonl"
        if not path.is_file():
            prompts = fresh_prompts(self.tests + 2 * POOL * self.rankings, taken, seed=1)
            given = answers_of(choose(self.trainer.workspace, None, "demo-tiny"), prompts)
            write_atomic(path, "".join(json.dumps(asdict(one)) + "\n" for one in given))
        return [Answered(row["prompt"], tuple(row["texts"]), tuple(row["golds"])) for row in read_jsonl(path)]

    def _doubt(self, pool: Sequence[Answered], runs: dict[str, str]) -> list[float]:
        path = self.trainer.workspace.root / "doubt.json"
        if not path.is_file():
            given = np.stack([scores_of(self.trainer.model(run), p, pool) for p, run in runs.items()])
            given /= given.std(axis=(1, 2), keepdims=True)
            write_atomic(path, json.dumps([disagreement(given[:, place]) for place in range(len(pool))]))
        return list(json.loads(path.read_text(encoding="utf-8")))

    def _accuracy(
        self, name: str, seed: int, pairs: list[dict], sft: str, start: str, tested: Sequence[Answered]
    ) -> float:
        key = "-".join([start, name, str(seed) if pairs else "", *self.trainer.extra])
        path = self.trainer.workspace.root / "accuracies.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if key not in known:
            folder = self.trainer.model(start)
            if pairs:
                folder = self.trainer.further(f"{BASE}-{name}-{seed}", pairs, sft, start, seed)
            known[key] = accuracy(scores_of(folder, "bf16", tested), tested)
            write_atomic(path, json.dumps(known, indent=1))
        print(f"seed {seed} {name}: {len(pairs)} pairs, accuracy {known[key]:.4f}", flush=True)
        return float(known[key])


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--rankings", type=int, default=300)
    parser.add_argument("--tests", type=int, default=500, help="fresh prompts for the accuracy")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--base-steps", type=int, default=0, help="0 = the preset's")
    parser.add_argument("--bases", type=int, default=1, help="reward models that the seeds share")
    parser.add_argument("--set", nargs="*", default=[], help="settings of the further training")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    trainer = Trainer(Workspace(options.workspace), tuple(options.set), options.base_steps)
    study = Study(trainer, options.rankings, options.tests)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    rows = study.run(seeds, options.bases)
    for row in rows:
        print(f"{row.what}: {row.mean:+.4f} ({row.low:+.4f} to {row.high:+.4f}), {row.seeds} seeds")
    if options.json:
        write_atomic(options.json, json.dumps({"rows": [asdict(row) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
