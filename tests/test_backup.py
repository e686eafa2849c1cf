"""A backup holds everything, including votes of a running app; damage to it or to a workspace is named."""

import os
import threading

import pytest
from waiting import eventually

from data.datasets import write_splits
from data.errors import UserError
from data.files import write_json
from data.sealed import entry, write_card
from data.votes import VoteStore
from data.workspace import Workspace
from pipeline.commands import backup as backups
from pipeline.commands.cli import main
from pipeline.runs.record import Run
from pipeline.settings.layers import build

pytestmark = pytest.mark.faults(56)
PAIRS = [{"prompt": "a", "chosen": "b", "rejected": "c"}]


def contents(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "cache" not in path.parts and path.suffix != ".sqlite"
    }


@pytest.fixture
def full(workspace):
    """A workspace with at least one item of every kind."""
    write_splits(workspace.dataset("tiny"), {"train": PAIRS, "test": PAIRS})
    run = Run.create(workspace, "sft", build("sft", "tiny"))
    run.start_attempt()
    run.log({"step": 1})
    run.model_dir.mkdir()
    (run.model_dir / "adapter_model.safetensors").write_bytes(b"weights")
    write_card(run.model_dir / "model.json", {"files": {"adapter_model.safetensors": entry(b"weights")}})
    run.finish({})
    write_json(workspace.experiment("mine"), {"experiment_id": run.id})
    VoteStore(workspace.votes_db).close()
    (workspace.cache / "large").write_text("not in a backup")
    (workspace.root / "training.lock").write_text("")
    return workspace


def test_a_restored_backup_is_the_workspace(full, tmp_path, capsys):
    file = tmp_path / "kept" / "w.tar.gz"
    assert main(["backup", "--workspace", str(full.root), "--to", str(file)]) == 0
    assert main(["verify", str(file)]) == 0
    assert main(["restore", str(file), "--workspace", str(tmp_path / "again")]) == 0
    assert main(["verify", "--workspace", str(tmp_path / "again")]) == 0
    assert " 0 problems" in capsys.readouterr().out
    kept = contents(full.root)
    del kept["training.lock"]
    assert contents(tmp_path / "again") == kept
    assert not (tmp_path / "again" / "cache" / "large").exists()
    assert os.listdir(file.parent) == ["w.tar.gz"]
    if os.name == "posix":
        assert file.stat().st_mode & 0o777 == 0o600


def test_every_vote_that_was_acknowledged_before_a_backup_is_in_it(full, tmp_path):
    """Another thread of the app stores votes during the backup."""
    store, stop, acknowledged = VoteStore(full.votes_db), threading.Event(), []

    def vote():
        while not stop.is_set():
            row = (len(acknowledged),)
            store._file.write(lambda db, row=row: db.execute("INSERT INTO raters VALUES (?, '')", row))
            acknowledged.append(row)

    thread = threading.Thread(target=vote)
    thread.start()
    try:
        for number in range(3):
            eventually(lambda number=number: len(acknowledged) >= 5 * (number + 1))
            before = len(acknowledged)
            backups.backup(full, tmp_path / f"{number}.tar")
            backups.restore(tmp_path / f"{number}.tar", Workspace(tmp_path / str(number)))
            again = VoteStore(Workspace(tmp_path / str(number)).votes_db)
            with again._file.read() as db:
                stored = [row[0] for row in db.execute("SELECT CAST(id AS INT) FROM raters ORDER BY 1")]
            again.close()
            assert len(stored) >= before and stored == list(range(len(stored)))
    finally:
        stop.set()
        thread.join()
        store.close()


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("damage", ["flip", "cut"])
@pytest.mark.parametrize("name", ["w.tar", "w.tar.gz"])
def test_a_damaged_backup_is_refused_and_restores_nothing(full, tmp_path, name, damage, place):
    file = tmp_path / name
    backups.backup(full, file)
    content = bytearray(file.read_bytes())
    if damage == "flip":
        at = content.index(b"weights") if place == 0.5 and name == "w.tar" else int(place * len(content))
        content[at] ^= 1
    else:
        del content[int(place * len(content)) :]
    file.write_bytes(content)
    try:
        problems = backups.verify_backup(file).problems
    except UserError as error:
        problems = [str(error)]
    if not problems:  # the flipped byte is padding between two files and affects no file of the workspace
        assert (damage, name) == ("flip", "w.tar")
        backups.restore(file, Workspace(tmp_path / "again"))
        assert {**contents(tmp_path / "again"), "training.lock": b""} == contents(full.root)
        return
    with pytest.raises(UserError, match=name):
        backups.restore(file, Workspace(tmp_path / "again"))
    assert not (tmp_path / "again").exists() and os.listdir(tmp_path / "workspace")
    assert sorted(os.listdir(tmp_path)) == sorted([name, "workspace"])


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ("datasets/tiny/test_prefs.jsonl", "test_prefs.jsonl: is damaged"),
        ("datasets/tiny/dataset.json", "dataset.json"),
        ("runs/*/model/adapter_model.safetensors", "adapter_model.safetensors: is damaged"),
        ("runs/*/run.json", "run.json"),
        ("experiments/mine.json", "mine.json"),
        ("arena/arena.sqlite", "arena.sqlite"),
    ],
)
def test_verify_names_what_is_damaged(full, damaged, said, capsys):
    (path,) = full.root.glob(damaged)
    content = path.read_bytes()
    path.write_bytes(b"\0" + content[1:])
    assert main(["verify", "--workspace", str(full.root)]) == 2
    out = capsys.readouterr()
    assert said in out.out and "1 problems" in out.out
    assert out.err.count("\n") == 1 and "damaged" in out.err


def test_neither_a_backup_nor_a_restore_overwrites_anything(full, tmp_path):
    file = tmp_path / "w.tar"
    backups.backup(full, file)
    for to, said in ((file, "already exists"), (full.root / "w.tar", "in the workspace itself")):
        with pytest.raises(UserError, match=said):
            backups.backup(full, to)
    with pytest.raises(UserError, match="not empty"):
        backups.restore(file, full)
    with pytest.raises(UserError, match="no such workspace"):
        backups.backup(Workspace(tmp_path / "none"), tmp_path / "x.tar")
    for nothing in (tmp_path / "none.tar", full.experiment("mine")):
        with pytest.raises(UserError, match="no such file|not a backup"):
            backups.verify_backup(nothing)


def test_a_name_in_a_backup_cannot_lead_out_of_the_workspace(tmp_path):
    import io
    import tarfile

    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        info = tarfile.TarInfo("../out")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(UserError, match="leads out"):
        backups.restore(tmp_path / "evil.tar", Workspace(tmp_path / "again"))
    assert os.listdir(tmp_path) == ["evil.tar"]
