"""Whatever a record, config, metrics file or queue contains, a damaged run hides no other run."""

import contextlib
import errno
import json
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import UserError
from pipeline.runs import reader as reading
from pipeline.runs.jobs import JobRunner
from pipeline.runs.lineage import Lineage
from pipeline.runs.queue_file import queue_path
from pipeline.runs.reader import RunReader, list_runs
from pipeline.runs.record import Run
from pipeline.runs.record_file import to_json
from pipeline.settings.layers import build
from ui import header, run_detail, run_list
from ui.texts import Texts

pytestmark = pytest.mark.faults(68)
T = Texts("en")
QUICK = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@pytest.fixture
def runs(workspace):
    """An intact finished SFT run and one whose files a test damages, both on an existing data set."""
    workspace.create()
    workspace.dataset("tiny").mkdir()
    (workspace.dataset("tiny") / "train_prefs.jsonl").write_text("")
    made = [Run.create(workspace, "sft", build("sft")) for _ in range(2)]
    for run in made:
        run.start_attempt()
        run.finish({"loss": 1.5})
    return made


class Page:
    """The services that the handlers of the bar and of the list of runs use."""

    def __init__(self, workspace):
        self.workspace, self.runs = workspace, RunReader(workspace)


def look(workspace):
    """Everything that a page shows of the runs; returns the records by id."""
    page = Page(workspace)
    header.show(page, "tiny", "", T)
    run_list.show(page, "", None, [], "", T)
    records = page.runs.list()
    for record in records:
        run_detail.details(page, record.id, T)
    Lineage(page.runs, records).stale()
    return {record.id: record for record in records}


@QUICK
@given(st.data())
def test_a_record_with_any_value_in_any_field_hides_no_other_run(runs, workspace, data):
    intact, victim = runs
    content = to_json(victim.record)
    path = victim.folder / "run.json"
    for name in data.draw(st.lists(st.sampled_from(sorted(content)), min_size=1, max_size=3)):
        content[name] = data.draw(ANYTHING)
    path.write_text(json.dumps(content))
    shown = look(workspace)
    assert set(shown) == {intact.id, victim.id} and shown[intact.id].status == "done"
    assert path.is_file()  # a record that is valid JSON stays in place
    if not shown[victim.id].damaged:
        again = to_json(Run.load(workspace, victim.id).record)
        assert set(again) == set(content)


@QUICK
@given(st.data())
def test_an_attempt_of_any_shape_hides_no_other_run(runs, workspace, data):
    intact, victim = runs
    content = to_json(victim.record) | {"status": "running"}
    attempt = content["attempts"][0]
    attempt[data.draw(st.sampled_from(sorted(attempt)))] = data.draw(ANYTHING)
    (victim.folder / "run.json").write_text(json.dumps(content))
    shown = look(workspace)
    assert set(shown) == {intact.id, victim.id} and shown[intact.id].status == "done"


@QUICK
@given(ANYTHING.map(json.dumps) | st.text(max_size=40))
def test_metrics_config_and_queue_of_any_shape_break_no_listing(runs, workspace, text):
    intact, victim = runs
    victim.start_attempt()  # a running run, whose progress is read from its metrics
    raw = text.encode("utf-8", "surrogatepass")
    for path in (victim.folder / "metrics.jsonl", victim.folder / "config.yaml", queue_path(workspace)):
        path.write_bytes(raw + b"\n")
    shown = look(workspace)
    assert shown[intact.id].status == "done" and shown[victim.id].status == "running"


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": 1', b"\xff\xfe", b"[" * 200_000])
def test_a_record_that_is_not_json_is_set_aside_once(runs, workspace, content):
    intact, victim = runs
    path, aside = victim.folder / "run.json", victim.folder / "run.json.corrupt"
    path.write_bytes(content)
    shown = list_runs(workspace)[0]
    assert shown.damaged and "set aside as run.json.corrupt" in shown.error
    assert aside.read_bytes() == content and not path.exists()
    path.write_bytes(b"again")
    assert "left in place" in list_runs(workspace)[0].error
    assert aside.read_bytes() == content and path.read_bytes() == b"again"
    assert [record.id for record in list_runs(workspace)] == [victim.id, intact.id]


def test_without_a_free_file_handle_every_record_stays_in_place(runs, workspace, monkeypatch):
    def refuse(*args, **options):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(reading, "open", refuse, raising=False)
    shown = list_runs(workspace)
    assert [record.damaged for record in shown] == [True, True]
    assert all("Too many open files" in record.error for record in shown)
    monkeypatch.undo()
    assert [record.status for record in list_runs(workspace)] == ["done", "done"]
    assert all((run.folder / "run.json").is_file() for run in runs)


def test_a_record_in_memory_is_shown_without_opening_its_file_again(runs, workspace, monkeypatch):
    reader = RunReader(workspace)
    before = reader.list()
    monkeypatch.setattr(reading, "open", lambda *args: pytest.fail("opened again"), raising=False)
    assert reader.list() == before


def test_a_changed_record_is_read_again(runs, workspace):
    reader = RunReader(workspace)
    assert reader.list()[0].error is None
    runs[1].change(status="failed", error="broken")
    assert (reader.list()[0].status, reader.read(runs[1].id).error) == ("failed", "broken")
    shutil.rmtree(runs[1].folder)
    assert [record.id for record in reader.list()] == [runs[0].id]


def test_in_a_workspace_that_cannot_be_written_to_nothing_is_renamed(runs, workspace, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EROFS, "Read-only file system")

    (runs[1].folder / "run.json").write_text("{")
    monkeypatch.setattr(reading.os, "rename", refuse)
    shown = list_runs(workspace)
    assert "left in place" in shown[0].error and shown[1].status == "done"


def test_copied_renamed_and_linked_folders_keep_their_records(runs, workspace, tmp_path):
    source = runs[0].folder
    shutil.copytree(source, workspace.runs / "copy")
    (workspace.runs / "link").symlink_to(source, target_is_directory=True)
    outside = tmp_path / "outside.json"
    outside.write_text("{")
    (workspace.runs / "linked-record").mkdir()
    (workspace.runs / "linked-record" / "run.json").symlink_to(outside)
    shown = {record.id: record for record in list_runs(workspace)}
    assert {name for name, record in shown.items() if record.damaged} == {"copy", "link", "linked-record"}
    assert "copied or renamed" in shown["copy"].error and "symbolic link" in shown["link"].error
    assert (workspace.runs / "copy" / "run.json").is_file() and outside.read_text() == "{"
    assert (workspace.runs / "linked-record" / "run.json").is_symlink()


def test_a_folder_that_is_not_a_run_is_not_listed(runs, workspace):
    (workspace.runs / "notes.txt").write_text("mine")
    (workspace.runs / "empty").mkdir()
    assert len(list_runs(workspace)) == 2


@pytest.mark.skipif(os.name == "nt", reason="names of files are Unicode there")
def test_a_folder_whose_name_is_not_valid_text_can_be_shown(runs, workspace):
    folder = os.path.join(os.fsencode(workspace.runs), b"run-\xff")
    with contextlib.suppress(OSError):  # some file systems refuse the name
        os.mkdir(folder)
        with open(os.path.join(folder, b"run.json"), "wb") as file:
            file.write(b"{}")
        names = [record.id for record in list_runs(workspace)]
        assert len(names) == 3 and all(name.encode("utf-8") for name in names)


@pytest.mark.parametrize(
    "content",
    ['{"queue": "abc", "launched": null}', '{"queue": [1], "launched": null}', "[]", "null", "{", "{}",
     '{"queue": [], "launched": {"run": 5}}', '{"queue": {}, "launched": []}'],
)  # fmt: skip
def test_a_queue_of_another_shape_is_set_aside_and_the_app_goes_on(workspace, content, capfd):
    workspace.create()
    queue_path(workspace).write_text(content)
    assert list_runs(workspace) == []
    jobs = JobRunner(workspace, child_command=lambda workspace, run_id: ["true"], poll=0.01)
    try:
        assert jobs.queue() == [] and jobs.active() is None
        run_id = jobs.start("sft")
        assert list_runs(workspace)[0].id == run_id
    finally:
        jobs.close()
    assert (workspace.root / "queue.json.corrupt").read_text() == content
    assert "Traceback" not in capfd.readouterr().err


def test_a_damaged_run_is_neither_resumed_nor_cancelled(runs, workspace):
    (runs[1].folder / "run.json").write_text("[]")
    jobs = JobRunner(workspace, poll=60)
    try:
        for act in (jobs.resume, jobs.cancel):
            with pytest.raises(UserError, match="not a run record"):
                act(runs[1].id)
    finally:
        jobs.close()
