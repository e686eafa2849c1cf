"""Measures the alarm for over-optimisation: how often it is right, how often it is wrong, and how early it comes.

    python -m benchmarks.alarm_roc --workspace /tmp/alarm --runs 24 --json alarm_roc.json

Trains PPO runs in the tiny world, half of them against reward models that learned from biased pairs
(`alarm_runs.py`). A run counts as harmed if its held-out gold ends at least HARM below its best step, whatever its
reward model was. Each signal of `evaluation.alarm` ranks the runs by its largest value: the area under the ROC says
how well. The threshold of a signal is the smallest one with at most a tenth of false alarms on these very runs, so
its rate of false alarms is not an independent test. Finished runs are kept in the workspace (rows.jsonl): the script
can be stopped at any point and goes on where it was; with --runs 0 it only prints what is there.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.files import append_jsonl, read_jsonl, write_json
from evaluation import alarm
from pipeline.runs.hardware import hardware

COMMAND = "python -m benchmarks.alarm_roc --workspace DIR --ship"
SHIPPED = Path(alarm.__file__).with_name("alarm_rates.json")
METRICS = (
    "step", "objective/scores_standardised", "objective/kl", "response/length", "policy/entropy_avg", "gold/mean"
)  # fmt: skip
HARM = 0.05  # fall of held-out gold below its best; two standard errors of a difference of 96 paired answers


def curves(row: dict[str, Any]) -> list[alarm.Point]:
    """The points of a run, with the judge at the steps where it was measured."""
    judge = {seen["step"]: seen["judge"] for seen in row["held_out"]}
    points = (alarm.Point.from_metrics(m, judge.get(m["step"])) for m in row["metrics"])
    return [point for point in points if point]


def harmed_at(row: dict[str, Any]) -> int | None:
    """The step of the harm, by held-out gold; None for a run without harm."""
    seen = row["held_out"]
    return alarm.harm([s["step"] for s in seen], [s["gold"] for s in seen], HARM)


def analyse(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per signal: ROC, threshold, rates and lead time."""
    runs = [(curves(row), harmed_at(row)) for row in rows]
    found = []
    for name in alarm.SIGNALS:
        values = [(points, alarm.signals(points).get(name), when) for points, when in runs]
        known = [(points, v, when) for points, v, when in values if v]
        peak = [(max(v[alarm.WINDOW :], default=0.0), when) for _, v, when in known]
        bad, good = ([p for p, when in peak if (when is not None) is harm] for harm in (True, False))
        limit = alarm.threshold_for(good)
        sounded = [(alarm.first_above(points, v, limit), when) for points, v, when in known]
        harmed = [(step, when) for step, when in sounded if when is not None]
        quiet = [step for step, when in sounded if when is None]
        rates = alarm.rates(limit, harmed, quiet)
        found.append({"signal": name, **asdict(alarm.roc(bad, good)), **asdict(rates)})
    return found


def show(rows: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    biased = [row for row in rows if row["job"]["bias"]]
    print(f"{len(rows)} runs, {len(biased)} with biased pairs")
    for name, group in (("biased", biased), ("honest", [r for r in rows if not r["job"]["bias"]])):
        print(f"  {name}: harmed {sum(harmed_at(row) is not None for row in group)} of {len(group)}")
    print(f"{'signal':<9} {'AUC':>5} {'limit':>6} {'caught':>20} {'false alarms':>20} {'lead':>5}")
    for row in found:
        auc = "-" if row["auc"] is None else f"{row['auc']:.2f}"
        lead = "-" if row["lead"] is None else f"{row['lead']:.0f}"
        print(
            f"{row['signal']:<9} {auc:>5} {row['threshold']:>6.2f} {_share(row, 'caught'):>20} "
            f"{_share(row, 'false_alarms'):>20} {lead:>5}"
        )


def _share(row: dict[str, Any], name: str) -> str:
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_ci"]
    return f"{row[name]:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the table and the curves of all runs"
    )
    parser.add_argument("--ship", action="store_true", help="write the table where the page reads it")
    options = parser.parse_args()
    kept = options.workspace / "rows.jsonl"
    if options.runs:
        from benchmarks import alarm_runs

        workspace, judge = alarm_runs.workspace_at(options.workspace), alarm_runs.the_judge()
        done = {row["name"] for row in read_jsonl(kept)} if kept.is_file() else set()
        for job in alarm_runs.jobs(options.runs):
            if job.name not in done:
                append_jsonl(kept, alarm_runs.run_job(workspace, job, judge).to_json())
                print(job.name, flush=True)
    rows = read_jsonl(kept)
    found = analyse(rows)
    show(rows, found)
    if options.json:
        content = {"rows": found, "runs": [slim(row) for row in rows], "hardware": hardware()}
        write_json(options.json, content)
    if options.ship:
        today = datetime.now(UTC).date().isoformat()
        write_json(SHIPPED, {"runs": len(rows), "date": today, "command": COMMAND, "rows": found})


def slim(row: dict[str, Any]) -> dict[str, Any]:
    """A run with the metrics from which the table can be computed again."""
    kept = [{name: m[name] for name in METRICS if name in m} for m in row["metrics"]]
    return {**row, "metrics": kept, "harmed_at": harmed_at(row)}


if __name__ == "__main__":
    main()
