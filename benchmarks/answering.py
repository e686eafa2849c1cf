"""Measures how fast the arena answers: seconds to the first token and tokens per second of each pane.

The shipped policies of a preset answer questions of the model card through the arena's inference process, as
the page asks it, first alone and then beside a training (SFT of the preset `tiny` in a session of its own and
with the low priority that the app gives it). Each round of four answers is one row; the first, which loads the base, is timed apart.

    python -m benchmarks.answering --preset small [--rounds 10] [--json FILE]

The time of the page and of the browser is not included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.small_prompts import QUESTIONS
from data.records import transcript
from data.workspace import Workspace
from pipeline.arena.client import InferenceClient
from pipeline.arena.lineup import DEMO_PRESETS, Lineup, choose
from pipeline.runs.child import child_environment
from pipeline.runs.processes import give_way

SEED = 42


@dataclass(frozen=True)
class Round:
    """One prompt, answered by all policies at once.

    first_seconds: from the request to the first text. rate: tokens per second of the slowest pane, from the
    first text to its end. tokens: of the longest answer.
    """

    beside: bool
    first_seconds: float
    rate: float
    tokens: int


def ask(client: InferenceClient, lineup: Lineup, question: str, seed: int, beside: bool) -> Round:
    """One round; raises UserError if the policies cannot answer."""
    prompt = transcript([{"role": "user", "content": question}])
    begun, first, answers = time.perf_counter(), 0.0, None
    stream = client.stream(
        lineup,
        dict.fromkeys(lineup.names, prompt),
        max_new_tokens=lineup.max_new_tokens,
        temperature=lineup.temperature,
        seed=seed,
    )
    for part in stream:
        first = first or time.perf_counter() - begun
        answers = part.answers
    assert answers is not None  # the last part has them
    rates = [
        (answer["tokens"] - 1) / (answer["seconds"] - answer["first_token_seconds"])
        for answer in answers.values()
        if answer["tokens"] > 1
    ]
    tokens = max(answer["tokens"] for answer in answers.values())
    return Round(beside, first, min(rates, default=0.0), tokens)


@contextmanager
def training(workspace: Workspace) -> Iterator[None]:
    """A training of the preset `tiny` that runs until the end of the block."""
    command = [sys.executable, "-m", "pipeline"]
    place = ["--preset", "tiny", "--workspace", str(workspace.root)]
    subprocess.run([*command, "prepare", *place], check=True, stdout=subprocess.DEVNULL)
    command += ["sft", *place, "--set", "max_steps=100000"]
    process = subprocess.Popen(
        command, env=child_environment(), stdout=subprocess.DEVNULL, start_new_session=True
    )
    give_way(process.pid)
    try:
        while not any(workspace.root.glob("runs/*-sft-*/metrics.jsonl")):
            if process.poll() is not None:
                raise SystemExit("the training ended before its first step")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait()


def summary(rows: Sequence[Round]) -> str:
    """The rounds of one kind in one line."""
    first, rates = [row.first_seconds for row in rows], [row.rate for row in rows]
    return (
        f"first token {median(first):.2f} s (at most {max(first):.2f}), "
        f"{median(rates):.1f} tokens per second and pane (at least {min(rates):.1f}), {len(rows)} rounds"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=DEMO_PRESETS, default="small")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the rounds to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace").create()
        lineup = choose(workspace, wanted=f"demo-{args.preset}")
        client = InferenceClient(workspace)
        rows: list[Round] = []
        try:
            cold = ask(client, lineup, QUESTIONS[0], SEED, beside=False)
            print(f"cold start: first token {cold.first_seconds:.2f} s", flush=True)
            rows += [
                ask(client, lineup, QUESTIONS[n % len(QUESTIONS)], n, beside=False)
                for n in range(args.rounds)
            ]
            print("alone: " + summary(rows), flush=True)
            with training(workspace):
                beside = [
                    ask(client, lineup, QUESTIONS[n % len(QUESTIONS)], n, beside=True)
                    for n in range(args.rounds)
                ]
            print("beside a training: " + summary(beside), flush=True)
            rows += beside
        finally:
            client.close()
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
