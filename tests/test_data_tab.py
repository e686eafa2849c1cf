"""The data tab: how an upload is checked and stored, and which overrides the form passes to `prepare`."""

import json
from types import SimpleNamespace

import pytest

from data.errors import UserError
from ui import data_tab
from ui.texts import Texts

T = Texts("en")
ROW = {"prompt": "Hello", "chosen": "Hi there.", "rejected": "Go away."}


@pytest.fixture
def services(workspace):
    return SimpleNamespace(workspace=workspace)


def write(path, *lines):
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_a_good_upload_is_counted(tmp_path):
    other = ROW | {"prompt": "Bye"}
    path = write(tmp_path / "mine.jsonl", json.dumps(ROW), json.dumps(ROW), json.dumps(other))
    said = data_tab.check_upload(path, T)
    assert "2 usable pairs in 3 lines" in said and "1 duplicates" in said


def test_a_bad_upload_is_refused_with_its_line_and_without_the_servers_path(tmp_path):
    path = write(tmp_path / "mine.jsonl", json.dumps(ROW), '{"prompt": "<b>no answers"}')
    said = data_tab.check_upload(path, T)
    assert "mine.jsonl, line 2" in said
    assert str(tmp_path) not in said and "<b>" not in said


def test_an_upload_is_kept_in_the_workspace_for_the_job(services, tmp_path):
    path = write(tmp_path / "my pairs!.jsonl", json.dumps(ROW))
    changed = data_tab.changes(services, "tiny", "file", "", path, [], [], keep=True)
    kept = services.workspace.cache / "uploads" / "my-pairs.jsonl"
    assert changed == [f"source={kept}", "name=my-pairs"]
    assert json.loads(kept.read_text()) == ROW


def test_sources_become_overrides(services):
    assert data_tab.changes(services, "tiny", "preset", "", None, [], []) == []
    hub = data_tab.changes(services, "tiny", "hub", " Anthropic/hh-rlhf ", None, [], [])
    assert hub == ["source=hub:Anthropic/hh-rlhf", "name=hh-rlhf"]
    assert data_tab.changes(services, "tiny", "votes", "", None, ["name"], ["people"]) == [
        "source=votes",
        "name=people",
    ]


def test_a_file_source_needs_a_file(services):
    with pytest.raises(UserError, match="upload"):
        data_tab.changes(services, "tiny", "file", "", None, [], [])
