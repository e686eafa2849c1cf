"""Runs the fault matrix and writes its table, docs/faults.md: fault, required behaviour, tests, results.

python -m benchmarks.fault_table                     # runs all tests marked `faults`, then writes the table
python -m benchmarks.fault_table -k damage --keep    # runs some tests; the others keep their last result
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from benchmarks.fault_rows import ROWS
from data.errors import UserError
from data.files import read_json, write_json

ROOT = Path(__file__).resolve().parent.parent
TABLE, RESULTS = ROOT / "docs" / "faults.md", ROOT / ".pytest_cache" / "faults.json"


@dataclass
class Matrix:
    """A pytest plugin that records the rows that each test covers, and the results; the cases of a
    parametrised test count together."""

    rows: dict[str, list[int]] = field(default_factory=dict)  # test → its rows
    results: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    skipped: dict[str, str] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            rows = {row for mark in item.iter_markers("faults") for row in mark.args}
            if rows:
                self.rows[_name(item.nodeid)] = sorted(rows)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = _name(report.nodeid)
        if report.when == "call" or report.outcome != "passed":
            self.results[name][report.outcome] += 1
        if report.skipped and isinstance(report.longrepr, tuple):
            self.skipped[name] = str(report.longrepr[2]).removeprefix("Skipped: ")

    def tests_of(self, row: int) -> list[str]:
        return sorted(name for name, rows in self.rows.items() if row in rows)


def collect() -> Matrix:
    """The tests and their rows, without running them."""
    matrix = Matrix()
    pytest.main(
        ["--collect-only", "-q", "-m", "faults", "--no-header", "-p", "no:terminal"], plugins=[matrix]
    )
    return matrix


def uncovered(matrix: Matrix) -> list[int]:
    """Rows with neither a test nor a reason."""
    return [number for number, row in ROWS.items() if not matrix.tests_of(number) and not row.untried]


def table(matrix: Matrix, results: dict[str, str]) -> str:
    """The text of docs/faults.md. results: {test: its last result}."""
    lines = [
        "# The fault matrix",
        "",
        "Each fault, the required behaviour, and the tests that inject the fault. Written by",
        f"`python -m benchmarks.fault_table` on {date.today().isoformat()}; `make test-faults` runs the same",
        "tests. Rows 1 to 48 are the first matrix; the others were added after attacks from outside.",
        "",
        "| # | Fault | Required behaviour | Tests | Last result |",
        "|---|---|---|---|---|",
    ]
    for number, row in ROWS.items():
        tests = matrix.tests_of(number)
        named = "<br>".join(f"`{name.removeprefix('tests/')}`" for name in tests) or "none"
        ended = "<br>".join(results.get(name, "not run") for name in tests) or "–"
        must = f"{row.must}<br>*{row.untried}*" if row.untried else row.must
        lines.append(f"| {number} | {row.fault} | {must} | {named} | {ended} |")
    return "\n".join(lines) + "\n"


def _name(nodeid: str) -> str:
    return nodeid.partition("[")[0]


def _told(counts: dict[str, int], skipped: str) -> str:
    parts = [f"{counts[how]} {how}" for how in ("failed", "passed", "skipped") if counts.get(how)]
    return ", ".join(parts) + (f" ({skipped})" if skipped else "")


def _before(keep: bool) -> dict[str, str]:
    try:
        return read_json(RESULTS) if keep else {}
    except (FileNotFoundError, UserError):
        return {}


def main(arguments: Iterable[str] | None = None) -> int:
    """Returns pytest's exit code, or 1 if a row has neither a test nor a reason."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-k", dest="only", default="", help="only tests whose names match, as in pytest")
    parser.add_argument("--keep", action="store_true", help="tests that are not run keep their last result")
    args = parser.parse_args(arguments)
    matrix = Matrix()
    code = pytest.main(["-rs", "-m", "faults", *(["-k", args.only] if args.only else [])], plugins=[matrix])
    results = _before(args.keep)
    results |= {name: _told(counts, matrix.skipped.get(name, "")) for name, counts in matrix.results.items()}
    RESULTS.parent.mkdir(exist_ok=True)
    write_json(RESULTS, results)
    TABLE.write_text(table(matrix, results), encoding="utf-8")
    for number in (missing := uncovered(matrix)):
        print(f"row {number} has no test: {ROWS[number].fault}", file=sys.stderr)
    return int(code) or bool(missing)


if __name__ == "__main__":
    sys.exit(main())
