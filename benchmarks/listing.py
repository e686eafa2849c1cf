"""Measures one refresh of the page in a workspace with many runs, and a comparison of all of them: opened
files, JSON files, wall and CPU seconds (other load on the machine does not change the latter).

A tick is the refresh that an open page requests every two seconds while a stage trains: the bar with the
pipeline's state, the list of runs and the live view of a stage, after the running stage has logged a step.
The comparison draws the curves of all runs in one chart, with the table of what differs; to its time belongs
the chart's JSON, which is what goes to the browser. The script creates the workspace: complete chains of done
runs without models, and one run that is still running.

    python -m benchmarks.listing --runs 270 1000 --json listing.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from data.files import write_json
from data.policies import PRECISIONS
from data.workspace import Workspace
from pipeline.runs.hardware import hardware
from pipeline.runs.reader import RunReader
from pipeline.runs.record import Run
from pipeline.runs.record_file import Attempt, Parents, RunRecord, to_json
from pipeline.settings.layers import build, to_dict
from pipeline.settings.stages import STAGES, Step
from ui import comparison, header, run_list, run_view
from ui.texts import Texts

SHAPE = {"base_model": "tiny", "lora_rank": 16, "lora_alpha": 32}  # the values of every run on the tiny base


class Page:
    """One open page: the handlers of its timers, with their last outputs."""

    def __init__(self, workspace: Workspace):
        self.workspace, self.runs = workspace, RunReader(workspace)  # as ui.parts.Services
        self.texts = Texts("en")
        self.seen = ["", "", ""]

    def tick(self) -> None:
        views: list[tuple[Any, ...]] = [
            header.show(self, "tiny", self.seen[0], self.texts),  # type: ignore[arg-type]
            run_list.show(self, self.seen[1], None, [], "", self.texts),  # type: ignore[arg-type]
            run_view.show(self, "ppo", "", self.seen[2], self.texts),  # type: ignore[arg-type]
        ]
        for number, (view, place) in enumerate(zip(views, (0, 0, 1), strict=True)):
            if isinstance(view[place], str):
                self.seen[number] = view[place]

    def compare(self) -> None:
        """Compare all runs by their score, which sends the chart as JSON."""
        ids = [record.id for record in self.runs.list()]
        look = comparison.Look("objective/scores")
        comparison.show(self, "", ids, look, self.texts)  # type: ignore[arg-type]


class Opened:
    """Counts the files of a workspace that this process opens."""

    def __init__(self, workspace: Workspace):
        self._root = str(workspace.root)
        self.all = self.json = 0
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | Path):
            path = str(arguments[0])
            if path.startswith(self._root):
                self.all += 1
                self.json += path.endswith(".json")


def fill(workspace: Workspace, count: int) -> Run:
    """Create complete chains of stages, `count` runs altogether; returns the newest, which is still running.

    Records are written without fsync, because only the page's reads matter here and not durability.
    """
    workspace.create()
    workspace.dataset("tiny").mkdir()
    (workspace.dataset("tiny") / "train_prefs.jsonl").write_text("")
    chain = list(STAGES.plan(PRECISIONS))
    configs = {step: _config(step) for step in chain}
    newest: dict[Step, str] = {}
    for number in range(count):
        step = chain[number % len(chain)]
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        run_id = f"{moment:%Y%m%dT%H%M%SZ}-{step.stage}-{step.precision}-{number:04x}"
        record = RunRecord(
            id=run_id,
            stage=step.stage,
            preset="tiny",
            precision=step.precision,
            seed=42,
            status="done",
            parents=_parents(step, newest),
            # Every second run differs from all others, so that the comparison has that many lines.
            config=configs[step] | SHAPE | {"weight_decay": number % 2 * number / 1e4},
            attempts=(Attempt(number=1, status="done", total_steps=1000),),
            started=f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            seconds=1.0,
            results={"dataset": "tiny", "sha256": "same", "loss": 1.5},
        )
        newest[step] = run_id
        folder = workspace.run(run_id)
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps(to_json(record), indent=2))
        (folder / "config.yaml").write_text(yaml.safe_dump(configs[step], sort_keys=False))
        rows = [{"step": row, "wall_seconds": row, "objective/scores": 0.1 * row} for row in range(1, 21)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = Run.load(workspace, run_id)
    run.start_attempt()
    run.set_total(1000)
    return run


def _config(step: Step) -> dict[str, Any]:
    return to_dict(build(step.stage, "tiny", precision=step.precision))


def _parents(step: Step, newest: dict[Step, str]) -> Parents:
    runs: dict[str, str | None] = {}
    arms: dict[str, dict[str, str]] = {}
    for need in STAGES.plan(PRECISIONS)[step]:
        if STAGES[need.stage].per_precision:
            arms.setdefault(need.stage, {})[need.precision] = newest[need]
        else:
            runs[need.stage] = newest[need]
    return Parents("tiny" if runs else "", runs, arms, None if step.stage == "evaluate" else step.precision)


def measure(count: int, ticks: int) -> list[dict[str, Any]]:
    """Three rows: the first refresh, the mean of the later ones, and the comparison of all runs."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        run = fill(workspace, count)
        page, opened = Page(workspace), Opened(workspace)
        rows = []
        for name, look, repeats in (
            ("first", page.tick, 1), ("tick", page.tick, ticks), ("compare", page.compare, 1)
        ):  # fmt: skip
            files, jsons, seconds, cpu = opened.all, opened.json, 0.0, 0.0
            for _ in range(repeats):
                before = opened.all
                run.log({"step": 21 + before, "objective/scores": 1.0})
                files += opened.all - before  # the run's own writes do not count
                begin, begin_cpu = time.perf_counter(), time.process_time()
                look()
                seconds += time.perf_counter() - begin
                cpu += time.process_time() - begin_cpu
            rows.append(
                {
                    "runs": count,
                    "look": name,
                    "files_opened": (opened.all - files) / repeats,
                    "json_read": (opened.json - jsons) / repeats,
                    "seconds": seconds / repeats,
                    "cpu_seconds": cpu / repeats,
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, nargs="+", default=[270, 1000])
    parser.add_argument("--ticks", type=int, default=10)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    rows = [row for count in options.runs for row in measure(count, options.ticks)]
    print(f"{'runs':>5}  {'look':<7} {'files opened':>12} {'JSON read':>9} {'seconds':>8} {'CPU':>7}")
    for row in rows:
        print(
            f"{row['runs']:>5}  {row['look']:<7} {row['files_opened']:>12.1f} {row['json_read']:>9.1f} "
            f"{row['seconds']:>8.3f} {row['cpu_seconds']:>7.3f}"
        )
    if options.json:
        write_json(options.json, {"rows": rows, "hardware": hardware()})


if __name__ == "__main__":
    main()
