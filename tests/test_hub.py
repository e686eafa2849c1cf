"""The hub: real downloads from a loopback server, the cache without a hub, clear errors in limited time."""

import gzip
import json
import os

import pyarrow
import pytest
from hub_server import HubServer, SilentServer
from pyarrow import parquet
from waiting import NEVER

from data import hub as hub_module
from data.errors import UserError
from data.hub import download_dataset, download_model, select_model, select_rows, split_of
from data.sources import load_pairs
from data.workspace import Workspace

SILENCE_SECONDS = hub_module.SILENCE_SECONDS  # the real one
README = b"---\nlicense: mit\ntags:\n- human-feedback\n---\n# Pairs\n"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty hub cache, none of this machine's hub settings, and time limits that are never reached."""
    for name in [name for name in os.environ if name.startswith(("HF_", "TRANSFORMERS_OFFLINE"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(hub_module, "START_SECONDS", NEVER)
    monkeypatch.setattr(hub_module, "SILENCE_SECONDS", NEVER)
    return tmp_path / "hf"


def transcripts(questions) -> bytes:
    rows = [
        {"chosen": f"\n\nHuman: {q}\n\nAssistant: Yes, {q}", "rejected": f"\n\nHuman: {q}\n\nAssistant: No."}
        for q in questions
    ]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def hh_like() -> dict[str, bytes]:
    """A repository with the layout of Anthropic/hh-rlhf, including transcripts that are not preferences."""
    return {
        "README.md": README,
        "harmless-base/train.jsonl.gz": gzip.compress(transcripts(["a", "b", "c"])),
        "harmless-base/test.jsonl.gz": gzip.compress(transcripts(["d"])),
        "helpful-base/train.jsonl.gz": gzip.compress(transcripts(["e"])),
        "helpful-base/test.jsonl.gz": gzip.compress(transcripts(["f", "g"])),
        "red-team-attempts/red_team_attempts.jsonl.gz": gzip.compress(b'{"transcript": "x"}\n'),
    }


def load(tmp_path, source="hub:acme/hh", **options):
    return load_pairs(source, workspace=Workspace(tmp_path / "w"), seed=1, **options)


def test_cold_cache_downloads_gzipped_transcripts_with_their_splits(tmp_path, cache, monkeypatch):
    with HubServer(datasets={"acme/hh": hh_like()}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        loaded = load(tmp_path)
        assert len(loaded.pairs["train"]) == 4 and len(loaded.pairs["test"]) == 3
        assert loaded.info["licence"] == "mit"
        assert loaded.info["revision"] == hub.commit("datasets", "acme/hh")
        assert loaded.counts["accepted"] == loaded.counts["lines"] == 7
        assert not any("red-team" in path for _, path in hub.requests)
        hub.requests.clear()
        assert load(tmp_path) == loaded
        assert not [path for command, path in hub.requests if command == "GET" and "/resolve/" in path]


def asks(monkeypatch, silence=NEVER):
    """Record each child process that asks the hub; returns the list of "online" and "offline" requests.

    A silent hub costs one short timeout and a cached answer none, which keeps an answer within 15 seconds.
    `silence` replaces that timeout, in seconds, where the hub of the test never answers.
    """
    assert SILENCE_SECONDS <= 9
    asked, ask = [], hub_module._ask_child

    def noted(kind, repo_id, folder, **environment):
        asked.append("offline" if "HF_HUB_OFFLINE" in environment else "online")
        with pytest.MonkeyPatch.context() as patch:
            if asked[-1] == "online":
                patch.setattr(hub_module, "SILENCE_SECONDS", silence)
            return ask(kind, repo_id, folder, **environment)

    monkeypatch.setattr(hub_module, "_ask_child", noted)
    return asked


def test_warm_cache_answers_without_the_hub(tmp_path, cache, monkeypatch):
    with HubServer(datasets={"acme/hh": hh_like()}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        loaded = load(tmp_path)
    assert load(tmp_path) == loaded  # the server is closed and its port refuses connections
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load(tmp_path) == loaded
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with SilentServer() as silent:
        monkeypatch.setenv("HF_ENDPOINT", silent.url)
        asked = asks(monkeypatch, silence=1.0)
        assert load(tmp_path) == loaded
        assert asked == ["online", "offline"]


def test_half_filled_cache_is_not_taken_for_complete(tmp_path, cache, monkeypatch):
    with HubServer(datasets={"acme/hh": hh_like()}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert len(load(tmp_path, "hub:acme/hh/helpful-base").pairs["train"]) == 1
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert len(load(tmp_path, "hub:acme/hh/helpful-base").pairs["train"]) == 1
    with pytest.raises(UserError, match="not in the cache"):
        load(tmp_path)


def test_new_commit_is_fetched(tmp_path, cache, monkeypatch):
    files = {"train.jsonl": transcripts(["a"])}
    with HubServer(datasets={"acme/hh": files}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert len(load(tmp_path).pairs["train"]) == 1
        files["train.jsonl"] = transcripts(["a", "b"])
        assert len(load(tmp_path).pairs["train"]) == 2


def test_parquet_with_message_lists(tmp_path, cache, monkeypatch):
    rows = [
        {
            "prompt": "hi",
            "chosen": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}],
            "rejected": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Go."}],
            "score_chosen": 5.0,
        }
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    content = (tmp_path / "rows.parquet").read_bytes()
    files = {"data/train_prefs-00000.parquet": content, "data/train_sft-00000.parquet": b"not read"}
    with HubServer(datasets={"acme/hh": files}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        (pair,) = load(tmp_path).pairs["train"]
    assert (pair.prompt, pair.chosen, pair.rejected) == ("\n\nHuman: hi\n\nAssistant:", "Hello.", "Go.")


@pytest.mark.parametrize(
    "content", [gzip.compress(transcripts(["a"] * 99), mtime=0)[:-20], b"\x1f\x8bnot gzip"]
)
def test_broken_file_of_the_hub_is_a_clear_error(tmp_path, cache, monkeypatch, content):
    with HubServer(datasets={"acme/hh": {"train.jsonl.gz": content}}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(UserError, match="broken"):
            load(tmp_path)


def test_row_that_is_not_a_pair_is_counted(tmp_path, cache, monkeypatch):
    content = transcripts(["a"]) + b'{"chosen": "no transcript", "rejected": "neither"}\n\n'
    with HubServer(datasets={"acme/hh": {"all.jsonl": content}}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        loaded = load(tmp_path)
    assert loaded.counts["unusable"] == 1 and loaded.counts["lines"] == 2 and len(loaded.pairs["all"]) == 1


@pytest.mark.faults(40)
def test_absent_name_is_a_clear_error(cache, monkeypatch):
    with HubServer() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(UserError, match="hub dataset acme/none: not found"):
            download_dataset("acme/none")


@pytest.mark.faults(40)
@pytest.mark.parametrize("status", [401, 403])
def test_gated_repository_is_a_clear_error(cache, monkeypatch, status):
    files = {"config.json": b"{}", "model.safetensors": b"x", "README.md": README}
    with HubServer(models={"acme/gated": files}, gated=["acme/gated"], gated_status=status) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(UserError, match="hub model acme/gated: gated"):
            download_model("acme/gated")


def test_hub_that_refuses_connections_is_a_clear_error_in_time(cache, monkeypatch):
    with HubServer() as hub:
        pass
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    asked = asks(monkeypatch)
    with pytest.raises(UserError, match="cannot be reached"):
        download_model("acme/any")
    assert asked == ["online", "offline"]


@pytest.mark.faults(40)
def test_silent_hub_is_a_clear_error_in_time(cache, monkeypatch):
    with SilentServer() as silent:
        monkeypatch.setenv("HF_ENDPOINT", silent.url)
        asked = asks(monkeypatch, silence=1.0)
        with pytest.raises(UserError, match="does not answer"):
            download_dataset("acme/any")
        assert asked == ["online", "offline"]


def test_hub_that_falls_silent_in_the_middle_of_a_file_is_a_clear_error(tmp_path, cache, monkeypatch):
    files = {"train.jsonl": transcripts(["a"]), "test.jsonl": transcripts(["b"])}
    with HubServer(datasets={"acme/hh": files}, stalled=["train.jsonl"]) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(UserError, match="does not answer"):
            patch.setattr(hub_module, "SILENCE_SECONDS", 1.0)
            load(tmp_path)
        hub.stalled.clear()
        assert len(load(tmp_path).pairs["train"]) == 1


@pytest.mark.faults(40)
def test_offline_with_an_empty_cache_is_a_clear_error(cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        download_model("acme/any")


@pytest.mark.parametrize("name", ["../etc", "a/b/c", "a\0b", "", "/abs", "a/..", "http://x/y"])
def test_invalid_name_never_reaches_the_network(name):
    with pytest.raises(UserError, match="not a name of the hub"):
        download_model(name)


def test_model_comes_without_pickle_code_and_other_formats(cache, monkeypatch):
    files = {
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "model.safetensors": b"weights",
        "README.md": README,
        "pytorch_model.bin": b"pickle",
        "modeling_x.py": b"code",
        "onnx/model.onnx": b"onnx",
    }
    with HubServer(models={"acme/lm": files}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        folder = download_model("acme/lm")
        names = {path.name for path in folder.iterdir()}
        assert names == {"config.json", "tokenizer.json", "model.safetensors", "README.md"}
        assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert download_model("acme/lm") == folder


@pytest.mark.faults(38)
def test_pickled_weights_alone_are_refused(cache, monkeypatch):
    files = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    with HubServer(models={"acme/old": files}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(UserError, match="hub model acme/old: .*pickled"):
            download_model("acme/old")
        assert not any(path.endswith(".bin") for _, path in hub.requests)


def test_which_files_are_chosen():
    assert split_of("harmless-base/train.jsonl.gz") == "train"
    assert split_of("data/test_prefs-00000-of-00001.parquet") == "test"
    assert split_of("default/validation/0000.parquet") == "validation"
    assert split_of("pairs.jsonl") == "all"
    assert select_rows(["a/train.jsonl", "b/train.jsonl", "README.md", "other.jsonl"], "a") == [
        "a/train.jsonl"
    ]
    assert select_rows(["other.jsonl"]) == ["other.jsonl"]
    sharded = ["model-1-of-2.safetensors", "model-2-of-2.safetensors", "model.safetensors.index.json"]
    assert select_model([*sharded, "consolidated.safetensors"]) == sharded
