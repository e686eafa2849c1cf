"""The measure of the refusal detector, on a file of four answers."""

from benchmarks.refusals import HALVES, line, read

FILE = """# version=1
objective,assistant_response,human_score
a,I can't help with that.,1
b,Fry the eggs.,0
c,Fry the eggs.,1
d,The moon is far.,1
e,broken,
"""


def test_precision_and_recall_are_counted_and_answers_with_both_labels_are_told(tmp_path):
    path = tmp_path / "set.csv"
    path.write_text(FILE)
    rows = read([path])
    assert [(row.refuses, row.both_ways) for row in rows] == [
        (True, False), (False, True), (True, True), (True, False)
    ]  # fmt: skip
    shown = line("all", rows)
    assert "1/1 (" in shown and "1/3 (" in shown
    assert rows[1].half == rows[2].half and {row.half for row in rows} <= set(HALVES)
