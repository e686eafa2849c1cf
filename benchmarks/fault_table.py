"""Run the fault matrix and write its table, docs/faults.md: row, what must happen, tests, results.

python -m benchmarks.fault_table                     # runs all tests marked `faults`, then writes
python -m benchmarks.fault_table --from a.xml b.xml   # writes from results of `pytest -m faults --junitxml=a.xml`

Where a test is in several files, the last one counts. What stands in docs/faults.md from the heading "Long
trials" on is written by hand and stays.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.fault_rows import ROWS

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "faults.md"
KEPT = "## Long trials"
HOWS = {"failure": "failed", "error": "failed", "skipped": "skipped"}  # junit's words


@dataclass(frozen=True)
class Marks:
    """rows: {test: the rows that it covers}; the cases of a parametrised test count together."""

    rows: dict[str, list[int]]

    def tests_of(self, row: int) -> list[str]:
        return sorted(name for name, rows in self.rows.items() if row in rows)


@dataclass
class Ended:
    """How the cases of a test ended, when, and why some were skipped."""

    day: str
    cases: Counter[str] = field(default_factory=Counter)
    skipped: str = ""

    def __str__(self) -> str:
        parts = [f"{self.cases[how]} {how}" for how in ("failed", "passed", "skipped") if self.cases[how]]
        return f"{', '.join(parts)}, {self.day}" + (f" ({self.skipped})" if self.skipped else "")


def collect(folder: Path = ROOT / "tests") -> Marks:
    """The tests with numbered marks `faults`, read from the text of the test files."""
    found = {}
    for path in sorted(folder.glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        whole = [row for node in tree.body if _is_mark_of_file(node) for row in _rows(node)]
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                rows = {*whole, *(row for mark in node.decorator_list for row in _rows(mark))}
                if rows:
                    found[f"tests/{path.name}::{node.name}"] = sorted(rows)
    return Marks(found)


def _is_mark_of_file(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    )


def _rows(node: ast.AST) -> list[int]:
    """The numbers of every `faults(…)` in a decorator or a list of marks."""
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
    marks = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "faults"]
    return [int(ast.literal_eval(number)) for mark in marks for number in mark.args]


def results(files: Iterable[Path]) -> dict[str, Ended]:
    """{test: how it ended} from files of junit XML."""
    found: dict[str, Ended] = {}
    for file in files:
        here: dict[str, Ended] = {}
        for suite in ElementTree.parse(file).getroot().iter("testsuite"):
            day = suite.get("timestamp", "")[:10]
            for case in suite.iter("testcase"):
                module = case.get("classname", "").replace(".", "/")
                name = f"{module}.py::{case.get('name', '').partition('[')[0]}"
                ended = here.setdefault(name, Ended(day))
                how = next((child for child in case if child.tag in HOWS), None)
                ended.cases[HOWS[how.tag] if how is not None else "passed"] += 1
                if how is not None and how.tag == "skipped":
                    ended.skipped = how.get("message", "")
        found |= here
    return found


def uncovered(marks: Marks) -> list[int]:
    """Rows with neither a test nor a reason."""
    return [number for number, row in ROWS.items() if not marks.tests_of(number) and not row.untried]


def table(marks: Marks, ended: dict[str, Ended]) -> str:
    """The page, without what is written by hand."""
    tests = set(marks.rows)
    days = sorted({ended[name].day for name in tests & ended.keys()})
    cases = sum((ended[name].cases for name in tests & ended.keys()), Counter())
    counted = ", ".join(f"{cases[how]} {how}" for how in ("passed", "failed", "skipped") if cases[how])
    lines = [
        "# The fault matrix",
        "",
        "Each fault, the required behaviour, and the tests that inject the fault. `make test-faults` runs them all and",
        "writes this table from their results (`benchmarks/fault_table.py`). Rows 1 to 48 are the first matrix; the",
        "others were added after attacks from outside. What a test cannot try is in italics, with its",
        "reason.",
        "",
        f"{len(ROWS)} rows, {len(tests)} tests; last results ({', '.join(days) or 'none'}): {counted or 'none'}.",
        "",
        "| # | Fault | Required behaviour | Tests | Last result |",
        "|---|---|---|---|---|",
    ]
    for number, row in ROWS.items():
        mine = marks.tests_of(number)
        named = "<br>".join(f"`{name.removeprefix('tests/')}`" for name in mine) or "none"
        last = "<br>".join(str(ended.get(name, "not run")) for name in mine) or "–"
        must = f"{row.must}<br>*{row.untried}*" if row.untried else row.must
        lines.append(f"| {number} | {row.fault} | {must} | {named} | {last} |")
    return "\n".join(lines) + "\n"


def write(page: str) -> None:
    """Replace the table; what is written by hand stays."""
    old = TABLE.read_text(encoding="utf-8") if TABLE.exists() else ""
    kept = KEPT + old.partition(KEPT)[2] if KEPT in old else ""
    TABLE.write_text(page + ("\n" + kept if kept else ""), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """pytest's exit code, or 1 where a row has neither a test nor a reason."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="files", type=Path, nargs="+", help="results to write the table from")
    args = parser.parse_args(arguments)
    code, marks = 0, collect()
    with tempfile.TemporaryDirectory() as place:
        files = args.files or [Path(place) / "faults.xml"]
        if not args.files:
            code = int(pytest.main(["-rs", "-m", "faults", f"--junitxml={files[0]}"]))
        write(table(marks, results(files)))
    for number in (missing := uncovered(marks)):
        print(f"row {number} has no test: {ROWS[number].fault}", file=sys.stderr)
    return code or bool(missing)


if __name__ == "__main__":
    sys.exit(main())
