"""Atomic files, JSON lines and the workspace's paths and names."""

import json
import math
import os
from pathlib import Path

import pytest

from data import files
from data.errors import UserError
from data.workspace import Workspace, check_name
from models.base_files import combined_hash


def test_write_atomic_keeps_the_old_content_when_the_write_fails(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    files.write_atomic(path, "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["record.json"]


def test_write_atomic_syncs_the_file_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    calls = []
    real_sync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda fd: (calls.append("fsync"), real_sync(fd)))
    monkeypatch.setattr(files.os, "replace", lambda a, b: (calls.append("rename"), real_replace(a, b)))
    files.write_atomic(tmp_path / "x", b"content")
    assert calls == (["fsync", "rename", "fsync"] if os.name != "nt" else ["fsync", "rename"])


def test_json_has_no_nan_and_round_trips(tmp_path):
    value = {"a": [1, math.nan, -math.inf, {"b": math.inf}], "文": "🙂", "path": Path("a") / "b", "t": (1, 2)}
    files.write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert "NaN" not in text and "Infinity" not in text and "🙂" in text
    back = files.read_json(tmp_path / "x.json")
    assert back == {"a": [1, None, None, {"b": None}], "文": "🙂", "path": "a/b", "t": [1, 2]}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_corrupt_json_is_named(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(UserError, match="run.json: not valid JSON"):
        files.read_json(tmp_path / "run.json")


def test_missing_json_is_distinguished_from_a_corrupt_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read_json(tmp_path / "none.json")


def test_jsonl_survives_a_torn_last_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    files.append_jsonl(path, {"step": 1, "loss": math.nan})
    files.append_jsonl(path, {"step": 2})
    with open(path, "ab") as file:
        file.write(b'{"step": 3, "lo')
    assert files.read_jsonl(path) == [{"step": 1, "loss": None}, {"step": 2}]
    files.append_jsonl(path, {"step": 3})
    assert files.read_jsonl(path, start=1) == [{"step": 2}, {"step": 3}]
    assert files.read_jsonl(tmp_path / "none.jsonl") == []


def test_jsonl_line_is_on_disk_when_append_returns_and_holds_any_text(tmp_path):
    path = tmp_path / "samples.jsonl"
    for text in ("a\nb\u2028c", "\ud800", "نص", "\0"):
        files.append_jsonl(path, {"text": text})
        assert json.loads(path.read_bytes().split(b"\n")[-2]) == {"text": text}


def test_hashes_depend_on_content_and_name_but_not_on_order_or_time(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("1")
    b.write_text("2")
    both = combined_hash([a, b])
    os.utime(a, (0, 0))
    assert combined_hash([b, a]) == both
    assert files.sha256_file(a) == files.sha256_text("1")
    b.write_text("3")
    assert combined_hash([a, b]) != both


BAD_NAMES = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/abs",
    "a\\b",
    "a\0b",
    "CON",
    "con.txt",
    "Lpt1",
    "x" * 300,
    "文" * 60,
    ".hidden",
    "a ",
    "a.",
    "-x",
    "a:b",
    "\ud800",
    "a\nb",
    None,
]


@pytest.mark.faults(37)
@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_name_is_refused(tmp_path, name):
    with pytest.raises(UserError):
        check_name(name)
    with pytest.raises(UserError):
        Workspace(tmp_path).dataset(name)


@pytest.mark.parametrize(
    "name", ["tiny", "hh-rlhf_2", "20260101T000000Z-sft-bf16-1a2b", "数据", "v1.2", "console"]
)
def test_good_name_is_kept(name):
    assert check_name(name) == name


@pytest.mark.faults(37)
def test_symlink_as_a_name_is_refused(tmp_path):
    workspace = Workspace(tmp_path / "w").create()
    (workspace.datasets / "link").symlink_to(tmp_path)
    with pytest.raises(UserError, match="symbolic link"):
        workspace.dataset("link")


@pytest.mark.faults(37)
def test_paths_in_records_are_relative_and_cannot_lead_out(tmp_path):
    workspace = Workspace(tmp_path / "w").create()
    path = workspace.run("r1") / "model"
    assert workspace.relative(path) == "runs/r1/model"
    assert workspace.resolve("runs/r1/model") == path
    (workspace.runs / "out").symlink_to(tmp_path)
    for escape in ("../x", "/etc/passwd", "runs/../../x", "runs/out/x", "a\0b"):
        with pytest.raises(UserError):
            workspace.resolve(escape)
    with pytest.raises(UserError):
        workspace.relative(tmp_path / "elsewhere")


@pytest.mark.faults(12)
def test_workspace_that_cannot_be_written_is_refused_at_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"):
        Workspace(tmp_path / "file").create()


def test_error_is_one_line():
    assert str(UserError("a\n  b")) == "a b"
