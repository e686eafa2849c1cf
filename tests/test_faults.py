"""The fault matrix is complete: every row has a test or a reason, and the printed table has every row."""

import re
from pathlib import Path

from benchmarks.fault_rows import ROWS
from benchmarks.fault_table import Marks, collect, results, table

ROOT = Path(__file__).resolve().parent.parent


JUNIT = """<testsuites><testsuite timestamp="2026-11-26T12:00:00">
<testcase classname="tests.test_a" name="test_x[one]" time="1"/>
<testcase classname="tests.test_a" name="test_x[two]" time="1"><failure message="no">no</failure></testcase>
<testcase classname="tests.test_a" name="test_x[3]" time="1"><skipped message="no browser"/></testcase>
</testsuite></testsuites>"""


def test_the_table_lists_each_row_with_its_tests_and_their_outcomes(tmp_path):
    marks = Marks(rows={"tests/test_a.py::test_x": [5, 14], "tests/test_b.py::test_y": [14]})
    file = tmp_path / "results.xml"
    file.write_text(JUNIT)
    page = table(marks, results([file]))
    lines = {line.split(" | ")[0].strip("| "): line for line in page.splitlines() if line.startswith("| ")}
    ended = "1 failed, 1 passed, 1 skipped, 2026-11-26 (no browser)"
    assert f"`test_a.py::test_x`<br>`test_b.py::test_y` | {ended}<br>not run |" in lines["14"]
    assert ROWS[5].untried in lines["5"]
    assert {int(number) for number in lines if number.isdigit()} == set(ROWS)


def test_every_mark_names_rows_that_exist_and_every_row_has_a_test():
    marks = collect()
    marked = {row for rows in marks.rows.values() for row in rows}
    assert marked <= set(ROWS)
    assert [number for number in ROWS if number not in marked] == []
    whole_file = [rows for name, rows in marks.rows.items() if "test_durability" in name]
    assert whole_file and all(rows == [53] for rows in whole_file)


def test_the_published_table_has_every_row():
    lines = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines()
    numbers = [int(line.split(" | ")[0].strip("| ")) for line in lines if re.match(r"\| \d+ \|", line)]
    assert numbers == list(ROWS)
