"""Kill every stage at every precision, again and again, and compare each resumed run with an undisturbed one.

python -m benchmarks.kills --kills 200 --work /tmp/kills           # goes on where it was stopped
python -m benchmarks.kills --work /tmp/kills --json kills.json      # only the table of what was done

Half of the kills come at a random moment; the other half at a chosen call of fsync, replace or rename, before
or after it. A resumed run has to be the undisturbed one in weights, metrics, samples, results and events;
fields that only the clock decides, and the event that tells of a checkpoint that the kill left unfinished,
are left out. Linux: the processes are forked from one that has loaded torch.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.kill_runs import Cell, Ended, Kill, differences, forked, go_on, outcome, start
from data.files import append_jsonl, read_jsonl, write_json
from data.policies import PRECISIONS
from data.workspace import Workspace
from pipeline.runs.reader import list_runs

PREPARE = ("source=tiny", "max_rows=200", "validation_rows=24", "test_rows=24")
SHORT = ("batch_size=8", "micro_batch_size=4", "save_steps=2", "learning_rate=0.001", "dataset=calm")
SUPERVISED = (*SHORT, "max_steps=6", "eval_steps=3", "max_rows=64", "max_length=96")
SIZES = {
    "pretrain": ("max_steps=6", "save_steps=2", "batch_size=16", "micro_batch_size=16", "layers=1", "width=32",
                 "heads=2", "vocab_size=400"),
    "prepare": PREPARE,
    "sft": (*SUPERVISED, "lora_rank=4", "lora_alpha=8", "lora_dropout=0.1"),
    "reward": (*SUPERVISED, "lora_dropout=0.1"),
    "ppo": (*SHORT, "max_steps=5", "epochs=2", "response_length=8", "max_length=96", "eval_prompts=8",
            "sample_steps=2", "adaptive_kl=true", "safety_steps=4"),
    "evaluate": ("dataset=calm", "eval_prompts=8", "safety_prompts=4"),
}  # fmt: skip


def cells(workspace: Workspace, parents: dict[str, str]) -> list[Cell]:
    """Every stage at every precision that it has. parents: the undisturbed runs so far, by cell.

    The base is the one that `pretrain` makes here: small, so that a kill costs little.
    """
    found = [Cell("pretrain", "bf16", SIZES["pretrain"]), Cell("prepare", "bf16", SIZES["prepare"])]
    base = f"base_model={workspace.runs / parents.get('pretrain bf16', '') / 'model'}"
    found += [Cell("sft", precision, (*SIZES["sft"], base)) for precision in PRECISIONS]
    sft = f"sft_run={parents.get('sft bf16', '')}"
    found += [Cell("reward", precision, (*SIZES["reward"], sft)) for precision in PRECISIONS]
    for precision in PRECISIONS:
        reward = f"reward_run={parents.get(f'reward {precision}', '')}"
        found.append(Cell("ppo", precision, (*SIZES["ppo"], sft, reward)))
    return [*found, Cell("evaluate", "bf16", (*SIZES["evaluate"], sft))]


class Attack:
    """A folder with the undisturbed runs, what they came to, and a line for each kill."""

    def __init__(self, work: Path):
        work.mkdir(parents=True, exist_ok=True)
        self.workspace = Workspace(work / "workspace").create()
        self.log, self.kills, self.calm_file = work / "log.txt", work / "kills.jsonl", work / "calm.jsonl"

    def calm(self) -> dict[str, dict[str, Any]]:
        """The undisturbed run of each cell, made where it is missing: {cell: run, seconds, calls, outcome}."""
        known = {row["cell"]: row for row in read_jsonl(self.calm_file)}
        for index in range(len(cells(self.workspace, {}))):
            cell = self.cells(known)[index]
            if cell.name in known:
                continue
            before = self._runs()
            ended = forked(start(cell, self.workspace, "calm"), self.log)
            if ended.code != 0:
                raise SystemExit(f"{cell.name}: failed undisturbed, see {self.log}")
            (run,) = self._runs() - before
            row = {"cell": cell.name, "run": run, "seconds": ended.seconds, "calls": ended.calls}
            known[cell.name] = row | {"outcome": outcome(self.workspace, run)}
            append_jsonl(self.calm_file, known[cell.name])
            print(f"undisturbed {cell.name}: {ended.seconds:.1f} s, {ended.calls} calls", flush=True)
        return known

    def cells(self, calm: dict[str, dict[str, Any]]) -> list[Cell]:
        """The cells, on the parents that there are by now."""
        return cells(self.workspace, {name: row["run"] for name, row in calm.items()})

    def kill(self, number: int, cell: Cell, calm: dict[str, Any], kill: Kill) -> dict[str, Any]:
        """Kill a run of the cell and resume it; one line of kills.jsonl."""
        known, name = self._runs(), f"kill-{number}"
        ended = forked(start(cell, self.workspace, name), self.log, kill)
        if ended.code == 0:
            self._forget(known, name)
            return {"number": number, "cell": cell.name, "missed": True}
        again = forked(go_on(cell, self.workspace, name, known), self.log)
        row = {
            "number": number,
            "cell": cell.name,
            "kill": str(kill),
            "by": "call" if kill.call else "moment",
        }
        row |= self._compared(calm, known, ended, again)
        if not row["differs"]:
            self._forget(known, name)
        return row

    def _compared(self, calm: dict[str, Any], known: set[str], ended: Ended, again: Ended) -> dict[str, Any]:
        made = sorted(self._runs() - known)
        done = [
            record for record in list_runs(self.workspace) if record.id in made and record.status == "done"
        ]
        row: dict[str, Any] = {"signal": -ended.code, "runs": len(made), "code": again.code}
        if again.code != 0 or len(done) != 1:
            return row | {"differs": ["not resumed"]}
        step = done[0].attempts[-1].from_step
        return row | {"from_step": step, "differs": differences(calm, outcome(self.workspace, done[0].id))}

    def _runs(self) -> set[str]:
        return {path.name for path in self.workspace.runs.iterdir()}

    def _forget(self, known: set[str], name: str) -> None:
        for run in self._runs() - known:
            shutil.rmtree(self.workspace.run(run))
        shutil.rmtree(self.workspace.dataset(name), ignore_errors=True)


def planned(number: int, at_a_call: bool, seed: int, calm: dict[str, Any], again: int) -> Kill:
    """When kill `number` comes; `again` counts tries that came after the stage had ended."""
    chance = random.Random(f"{seed} {number} {again}")
    if at_a_call:
        return Kill(call=1 + chance.randrange(calm["calls"]), after=chance.random() < 0.5)
    return Kill(seconds=chance.uniform(0.0, calm["seconds"]))


def attack(work: Path, count: int, seed: int) -> None:
    """Do what is left of `count` kills."""
    attacked = Attack(work)
    calm = attacked.calm()
    everything = attacked.cells(calm)
    done = {row["number"] for row in read_jsonl(attacked.kills)}
    for number in range(count):
        if number in done:
            continue
        cell = everything[number % len(everything)]
        facts, again = calm[cell.name], 0
        row: dict[str, Any] = {"missed": True}
        while row.get("missed"):
            at_a_call = bool(number // len(everything) % 2)
            kill = planned(number, at_a_call, seed, facts, again)
            row = attacked.kill(number, cell, facts["outcome"], kill)
            again += 1
        append_jsonl(attacked.kills, row)
        print(f"{number + 1}: {cell.name}, {row['kill']}: {', '.join(row['differs']) or 'exact'}", flush=True)


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Kills by cell: at a moment, at a call, went on from a checkpoint, exact."""
    by_cell = defaultdict(list)
    for row in rows:
        by_cell[row["cell"]].append(row)
    by_cell["all"] = [row for found in by_cell.values() for row in found]
    lines = [
        "| Stage | Kills | at a moment | at a call | from a checkpoint | exact |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in by_cell.items():
        moments = sum(row["by"] == "moment" for row in found)
        later = sum((row.get("from_step") or 0) > 0 for row in found)
        exact = sum(not row["differs"] for row in found)
        lines.append(f"| {name} | {len(found)} | {moments} | {len(found) - moments} | {later} | {exact} |")
    return "\n".join(lines)


def main() -> int:
    """0 where every resumed run is the undisturbed one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=0, help="how many in all; 0 = only the table")
    parser.add_argument("--work", type=Path, required=True, help="a folder that keeps what was done")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the rows")
    args = parser.parse_args()
    if args.kills:
        os.environ["OMP_NUM_THREADS"] = "1"  # a forked process with several threads of OpenMP would hang
        from pipeline.commands import preload  # noqa: F401  # torch and the stages, once for all kills
        from pipeline.stages import pretrain  # noqa: F401

        attack(args.work, args.kills, args.seed)
    rows = read_jsonl(args.work / "kills.jsonl")
    print(table(rows))
    for row in rows:
        if row["differs"]:
            print(json.dumps(row))
    if args.json:
        write_json(args.json, {"rows": rows})
    return int(any(bool(row["differs"]) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
