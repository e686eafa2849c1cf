"""Compares time and memory of a PPO step with those of TRL 1.12.0, the last release with a PPOTrainer.

Both sides have the same base (a GPT-2 or Llama of the named shape with seeded random weights in bf16), LoRA rank,
lengths of prompts and responses, epochs, minibatches and micro-batches. Each side is a separate process; they
take turns step by step, so that a slow minute of the machine affects all of them. Seconds are medians over a
side's steps; the speed-up is the median over pairs of neighbouring steps. Peak memory is the process's highest
resident memory during the steps minus that after its imports (on a GPU: the peak of torch's allocator). Scores
and KL have no meaning here.

`--trl-cache DIR` installs TRL once into a separate folder (a few MB, `pip install --no-deps`).

    python benchmarks/ppo_step.py --trl-cache DIR --cases tiny distilgpt2-8 --json ppo_step.json
    python benchmarks/ppo_step.py --cases tiny --precisions bf16 int8 int4 --modes controlled shared
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks import ppo_cases
from benchmarks.ppo_cases import CASES, Case
from benchmarks.ppo_side import END_OF_STEP
from pipeline.runs.child import SPINS

TRL = "trl==1.12.0"
SIDE_FILE = Path(__file__).with_name("ppo_side.py")
COLUMNS = (
    "side", "base", "batch", "prompt_length", "response_length", "mode", "precision",
    "seconds", "generate_seconds", "score_seconds", "update_seconds", "cpu_seconds",
    "peak_bytes", "speedup", "cpu_speedup", "memory_ratio",
)  # fmt: skip
DIFFERENCES = """\
The differences between the two in a step:
- TRL trains a complete second model as the value function (forward, backward and AdamW over every weight); here
  it is a linear head on the policy's states. TRL holds policy, value model and reward model as three copies
  of the base; here policy, reference and (in bf16 or in shared mode) the reward model are adapters on one.
- TRL takes the old log-probabilities from the logits of the generation, kept for all tokens at once in fp32;
  here the update's first pass yields them (or, with several minibatches, an extra pass).
- Both compute every score and reference log-probability; here the last block is computed only at positions
  whose output is used.
- TRL's reference is the base with the adapter off; here it is the SFT adapter, which costs a little more."""


def install_trl(cache: Path) -> Path:
    """The folder of TRL 1.12.0 under the cache; installs it there, without its dependencies, if it is missing."""
    folder = cache / TRL.replace("==", "-")
    if not (folder / "trl").is_dir():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(folder),
            TRL,
        ]
        subprocess.run(command, check=True)
    return folder


def rate(work: Callable[[], object], amount: float, seconds: float = 0.5) -> float:
    """Amount per second of the best of several calls within about `seconds`."""
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return amount / best


def machine(width: int) -> dict[str, float]:
    """This machine's rates: FLOP/s of products of the base's width in two types, and bytes/s of a copy."""
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found: dict[str, float] = {"threads": torch.get_num_threads()}
    for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        a = torch.randn(1024, width, device=place).to(dtype)
        b = torch.randn(width, 4 * width, device=place).to(dtype)
        found[f"{name}_flops"] = rate(partial(torch.matmul, a, b), 2 * 1024 * width * 4 * width)
    source = torch.randn(2**24, device=place)
    target = torch.empty_like(source)
    found["copy_bytes"] = rate(lambda: target.copy_(source), 2 * 4 * 2**24)
    return found


def lower_bound(case: Case, speeds: dict[str, float]) -> dict[str, float]:
    """A lower bound for the seconds of a step on this machine, from its bf16 products and weight reads.

    Body = the matrices of all blocks, head = vocabulary · width. A product needs 2 FLOP per weight and token, and
    its backward pass towards the states the same again; attention needs 2 · T² · width FLOP per layer and row
    (causal). In the last block, the layers after attention are computed only at the positions that are read: the
    responses, or for the reward model one per row. The time of a step of generation is the larger of the time to
    read every weight once and the time to compute.
    """
    block, head = case.block_weights, case.vocabulary * case.width
    body, length = case.layers * block, case.prompt_length + case.response_length
    tokens, answers = case.batch * length, case.batch * case.response_length
    attention = 2 * length**2 * case.width * case.layers * case.batch

    def forward(read: int) -> int:
        return 2 * (body * tokens - case.block_weights_after_attention * (tokens - read)) + attention

    heads = 2 * head * answers
    flops = speeds["bf16_flops"]
    one_token = max(2 * (body + head) * case.batch / flops, 2 * (body + head) / speeds["copy_bytes"])
    prompt = 2 * body * case.batch * case.prompt_length / flops
    parts = {
        "generate": prompt + case.response_length * one_token,
        "score": (forward(answers) + heads + forward(case.batch)) / flops,  # reference, reward model
        "update": case.epochs * 2 * (forward(answers) + heads) / flops,
    }
    return parts | {"step": sum(parts.values())}


class Side:
    """A process that makes one PPO step at a time, on request."""

    def __init__(self, side: str, case: Case, folder: Path, options, *, turns: bool, **choice: str):
        self.name = f"{side} {' '.join(choice.values())} {case.name}"
        command = [sys.executable, str(SIDE_FILE), side, "--case", json.dumps(asdict(case))]
        command += ["--folder", str(folder), "--steps", str(options.steps)] + ["--turns"] * turns
        if side == "trl":
            command += ["--trl", str(options.trl)] + ["--autocast"] * options.trl_autocast
        for flag, value in choice.items():
            command += [f"--{flag}", value]
        self.errors = folder / f"{self.name}.txt"  # a file, because a pipe without a reader would fill up
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=_alone(side),
            )  # fmt: skip
        self.input = cast(IO[str], self.process.stdin)  # both are pipes
        self.output = cast(IO[str], self.process.stdout)

    def wait(self) -> None:
        """Wait until the current step ends."""
        if not any(line.strip() == END_OF_STEP for line in self.output):
            self._fail()

    def go_on(self) -> None:
        self.input.write("\n")
        self.input.flush()

    def result(self) -> dict:
        """The side's figures; to be called after the last `go_on`."""
        lines = self.output.read().strip().splitlines()
        if self.process.wait():
            self._fail()
        return json.loads(lines[-1])

    def _fail(self) -> None:
        self.process.wait()
        sys.exit(f"{self.name} failed:\n{self.errors.read_text()[-2000:]}")


def _alone(side: str) -> dict[str, str]:
    """The environment of a side. The sides compute in turns, so this project's threads wait as they do on an
    idle machine, although the other side imports at the same time; TRL keeps the default."""
    waiting = {} if side == "trl" else {"GOMP_SPINCOUNT": str(SPINS)}
    return waiting | dict(os.environ)


def measure(side: str, case: Case, folder: Path, options, **choice: str) -> dict:
    """Measure one side alone."""
    return Side(side, case, folder, options, turns=False, **choice).result()


def run_case(name: str, options, scratch: Path) -> list[dict]:
    """The rows of one size: TRL's, if requested, and one per mode and precision of this project."""
    case, folder = CASES[name], scratch / name
    ppo_cases.make_base(case, folder / "base", options.tokenizer)
    ppo_cases.make_workspace(case, folder / "workspace", folder / "base", options.precisions)
    kinds = [("ours", {"mode": m, "precision": p}) for m, p in _choices(options)]
    if options.trl:
        kinds.insert(1, ("trl", {}))
    sides = []
    for side, choice in kinds:
        sides.append(Side(side, case, folder, options, turns=True, **choice))
        sides[-1].wait()  # load and warm up while no other side computes
    for turn in range(options.steps):
        for one in sides if turn % 2 == 0 else reversed(sides):  # neither side always goes first
            one.go_on()
            one.wait()
        print(f"  {case.name} round {turn + 1} of {options.steps}", file=sys.stderr, flush=True)
    rows = []
    for (side, choice), one in zip(kinds, sides, strict=True):
        one.go_on()
        rows.append({"side": side, **asdict(case), "mode": "", "precision": "bf16", **choice, **one.result()})
    theirs = next((row for row in rows if row["side"] == "trl"), None)
    for row in rows:
        if theirs and row["side"] == "ours":
            pairs = zip(theirs["each_seconds"], row["each_seconds"], strict=True)
            row["speedup"] = statistics.median(a / b for a, b in pairs)
            row["cpu_speedup"] = theirs["cpu_seconds"] / row["cpu_seconds"]
            row["memory_ratio"] = row["peak_bytes"] / theirs["peak_bytes"]
    return rows


def _choices(options) -> list[tuple[str, str]]:
    """(mode, precision) pairs; in bf16 both modes are the same."""
    pairs = [(mode, precision) for precision in options.precisions for mode in options.modes]
    return [pair for pair in pairs if pair[1] != "bf16" or pair[0] == options.modes[0]]


def show(rows: list[dict]) -> None:
    table = [COLUMNS] + [[_cell(column, row.get(column, "")) for column in COLUMNS] for row in rows]
    widths = [max(len(line[k]) for line in table) for k in range(len(COLUMNS))]
    for line in table:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _cell(column: str, value) -> str:
    if column == "peak_bytes":
        return f"{value / 1e6:.0f} MB"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--precisions", nargs="+", default=["bf16"], choices=["bf16", "int8", "int4"])
    parser.add_argument("--modes", nargs="+", default=["controlled"], choices=["controlled", "shared"])
    parser.add_argument("--steps", type=int, default=4, help="timed steps per side, after one warm-up step")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer's folder; without it, one token per byte")
    parser.add_argument(
        "--trl-cache",
        type=Path,
        help="folder in which TRL is (or will be) installed; without it, TRL is not measured",
    )
    parser.add_argument("--trl-autocast", action="store_true", help="TRL with bf16 autocast, TRL's default")
    parser.add_argument("--json", type=Path, help="write {rows, machine, limits} to this file")
    options = parser.parse_args()
    options.trl = install_trl(options.trl_cache.resolve()) if options.trl_cache else None
    rows, limits = [], {}
    speeds = {width: machine(width) for width in {CASES[name].width for name in options.cases}}
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.cases:
            rows += run_case(name, options, Path(scratch))
            limits[CASES[name].name] = lower_bound(CASES[name], speeds[CASES[name].width])
    show(rows)
    for width, found in speeds.items():
        print(
            f"this machine, {found['threads']} threads, products of width {width}: "
            f"bf16 {found['bf16_flops'] / 1e12:.2f}, fp32 {found['fp32_flops'] / 1e12:.2f} TFLOP/s; "
            f"copy {found['copy_bytes'] / 1e9:.1f} GB/s"
        )
    for name, parts in limits.items():
        print(f"lower bounds for a step of {name}:", ", ".join(f"{k} {v:.2f} s" for k, v in parts.items()))
    if options.trl:
        print(DIFFERENCES)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "machine": speeds, "limits": limits}, indent=2))


if __name__ == "__main__":
    main()
