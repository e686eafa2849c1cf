"""Names and tags of runs: kept beside the records, shown by the reader, forgotten with the run."""

import pytest

from data.errors import UserError
from pipeline.commands.cli import main
from pipeline.commands.housekeeping import delete
from pipeline.runs import labels
from pipeline.runs.reader import RunReader
from pipeline.runs.record import Run
from pipeline.settings.layers import build


@pytest.fixture
def run(workspace):
    run = Run.create(workspace, "sft", build("sft", "tiny"))
    run.start_attempt()
    run.finish({})
    return run


def test_the_reader_shows_name_and_tags_and_the_record_stays_as_it_was(workspace, run):
    reader, before = RunReader(workspace), (run.folder / "run.json").read_bytes()
    assert reader.read(run.id).title == ""
    labels.change(workspace, run.id, name="  my first\n run ", tags=["keep", "#demo", "keep", ""])
    record = reader.read(run.id)
    assert (record.title, record.tags) == ("my first run", ("keep", "demo"))
    assert reader.list() == [record] and (run.folder / "run.json").read_bytes() == before


def test_a_name_and_the_tags_change_independently(workspace, run):
    labels.change(workspace, run.id, tags=["keep"])
    assert labels.change(workspace, run.id, name="x") == labels.Label("x", ("keep",))
    assert labels.change(workspace, run.id, tags=[]) == labels.Label("x")
    labels.change(workspace, run.id, name="")
    assert labels.read(workspace) == {}


def test_a_deleted_run_has_no_label_left(workspace, run):
    labels.change(workspace, run.id, name="x")
    delete(workspace, run.id)
    assert labels.read(workspace) == {}


@pytest.mark.parametrize("wanted", [{"name": "x" * 61}, {"tags": [str(n) for n in range(9)]}])
def test_what_is_too_long_is_refused(workspace, run, wanted):
    with pytest.raises(UserError):
        labels.change(workspace, run.id, **wanted)
    assert labels.read(workspace) == {}


def test_an_unknown_run_gets_no_label(workspace, run):
    with pytest.raises(UserError, match="no such run"):
        labels.change(workspace, "20260101T000000Z-sft-bf16-0000", name="x")


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"name": "b"}}'])
def test_a_damaged_file_hides_no_run(workspace, run, content):
    workspace.labels.write_text(content)
    assert [record.id for record in RunReader(workspace).list()] == [run.id]
    labels.change(workspace, run.id, name="x")
    assert labels.read(workspace) == {run.id: labels.Label("x")}


def test_the_command_line_names_a_run(workspace, run, capsys):
    given = ["label", run.id, "--name", "base line", "--tags", "a", "b", "--workspace", str(workspace.root)]
    assert main(given) == 0
    assert capsys.readouterr().out.strip() == f"{run.id}: base line #a #b"
