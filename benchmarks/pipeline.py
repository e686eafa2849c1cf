"""Measures the wall time of `python -m pipeline all --preset tiny` in an empty workspace, and of each stage.

Runs the command once for each number of `--jobs` (stages side by side), one after the other, each in a new
temporary workspace, and reads the times from the run records. A row has `jobs, stage, precision, seconds`;
the row `all` is the wall time of the complete command. It measures only time.

    python -m benchmarks.pipeline [--jobs 1 2] [--set ppo.max_steps=20 …] [--json FILE]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from data.files import write_json
from data.workspace import Workspace
from pipeline.runs.child import child_environment
from pipeline.runs.hardware import hardware, physical_cores
from pipeline.runs.reader import list_runs


def measure(jobs: int, overrides: list[str]) -> list[dict]:
    """Rows of one complete `all`; raises if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pipeline", "all", "--workspace", folder, "--preset", "tiny"]
        command += ["--jobs", str(jobs), *(["--set", *overrides] if overrides else [])]
        begin = time.perf_counter()
        subprocess.run(command, check=True, env=child_environment(), stdout=sys.stderr)
        whole = time.perf_counter() - begin
        runs = reversed(list_runs(Workspace(Path(folder))))
        rows = [
            {"jobs": jobs, "stage": r.stage, "precision": r.precision, "seconds": r.seconds} for r in runs
        ]
    return [*rows, {"jobs": jobs, "stage": "all", "precision": "", "seconds": whole}]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, physical_cores()])
    parser.add_argument("--set", dest="overrides", nargs="+", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    rows = [row for jobs in dict.fromkeys(args.jobs) for row in measure(jobs, args.overrides)]
    print(f"{'jobs':>4}  {'stage':<9} {'precision':<9} {'seconds':>8}")
    for row in rows:
        print(f"{row['jobs']:>4}  {row['stage']:<9} {row['precision']:<9} {row['seconds']:>8.1f}")
    if args.json:
        write_json(args.json, {"rows": rows, "hardware": hardware()})


if __name__ == "__main__":
    main()
