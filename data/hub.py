"""Data sets and base models from the Hugging Face hub, through huggingface_hub and its cache.

Each download runs in a separate process (`data.hub_child`), so that it can be stopped if the hub never
answers: huggingface_hub waits and retries for minutes. HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and
HF_HUB_OFFLINE work as usual. If the hub cannot be reached or goes silent, a complete copy in the cache is
used. Code of a repository is never run and pickled weights are never taken.
"""

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from yaml import YAMLError

from data.errors import Code, UserError

START_SECONDS = 60.0  # for the process to load its libraries, before the hub is contacted
SILENCE_SECONDS = 9.0  # without a byte; with the lookup in the cache, an error appears within 15 s
_REPO = re.compile(r"[A-Za-z0-9][\w.\-]*(/[A-Za-z0-9][\w.\-]*)?", re.ASCII)
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
)
_MODEL = ("config.json", "generation_config.json", "README.md", "model.safetensors.index.json", *_TOKENIZER)
_ROWS = (".jsonl", ".jsonl.gz", ".parquet")
_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "eval": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}


@dataclass(frozen=True)
class HubDataset:
    """A data set's files in the cache, each (split or "all", path), with its commit and licence."""

    files: list[tuple[str, Path]]
    revision: str
    licence: str


def download_dataset(repo_id: str, folder: str = "") -> HubDataset:
    """Fetch the files with rows from a data set's repository (below ``folder``), or find them in the cache.

    Raises UserError if the repository is absent, gated or has no such files, or if the hub does not answer.
    """
    root = _download("dataset", repo_id, folder)
    names = select_rows(_listing(root), folder)
    if not names:
        place = f"{repo_id}/{folder}" if folder else repo_id
        raise UserError(
            f"hub data set {place}: has no file ending in {', '.join(_ROWS)}; choose another one",
            code=Code.HUB,
        )
    return HubDataset([(split_of(name), root / name) for name in names], root.name, _licence(root))


def download_model(repo_id: str) -> Path:
    """Fetch config, tokenizer and safetensors of a model's repository; returns their folder in the cache.

    Raises UserError if it is absent or gated, has only pickled weights, or if the hub does not answer.
    """
    root = _download("model", repo_id)
    if not (root / "config.json").is_file():
        raise UserError(
            f"hub model {repo_id}: has no config.json; choose a transformers model", code=Code.HUB
        )
    return root


def select_rows(names: Sequence[str], folder: str = "") -> list[str]:
    """The files of a data set's repository that contain its pairs.

    Of jsonl, gzipped jsonl and parquet files below ``folder``: those named after a split with "prefs" if
    there are any (the UltraFeedback style), else those named after a split, else all. Other files, such as
    the red-team transcripts of HH, contain no pairs.
    """
    inside = f"{folder}/" if folder else ""
    rows = [name for name in names if name.endswith(_ROWS) and name.startswith(inside)]
    named = [name for name in rows if split_of(name) != "all"]
    prefs = [name for name in named if "prefs" in _words(name)]
    return sorted(prefs or named or rows)


def select_model(names: Sequence[str]) -> list[str]:
    """The files to fetch from a model's repository. Raises UserError if it has no safetensors weights."""
    weights = [name for name in names if name.endswith(".safetensors") and "/" not in name]
    if not weights:
        pickled = any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in names)
        why = "only pickled weights, which can run code" if pickled else "no safetensors weights"
        raise UserError(f"it has {why}; choose a model with .safetensors files", code=Code.HUB)
    plain = [name for name in weights if name.startswith("model")]
    return sorted([name for name in names if name in _MODEL] + (plain or weights))


def split_of(name: str) -> str:
    """ "train", "validation" or "test" according to a file's name or folder, else "all"."""
    return next((_SPLIT_WORDS[word] for word in reversed(_words(name)) if word in _SPLIT_WORDS), "all")


def _words(name: str) -> list[str]:
    return re.split(r"[/_.\-]", name.lower())


def _listing(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]


def _licence(root: Path) -> str:
    """The licence in the metadata of the repository's README; "unknown" if there is none."""
    from huggingface_hub import metadata_load  # it loads the network stack

    try:
        licence = (metadata_load(root / "README.md") or {}).get("license")
    except (OSError, ValueError, YAMLError):  # no README, or one without metadata
        return "unknown"
    return ", ".join(map(str, licence)) if isinstance(licence, list) else str(licence or "unknown")


def _download(kind: str, repo_id: str, folder: str = "") -> Path:
    """The snapshot's folder, from the hub or, if the hub does not answer, from the cache."""
    if not _REPO.fullmatch(repo_id) or ".." in f"{repo_id}/{folder}":
        raise UserError(
            f"hub {kind} {ascii(repo_id)[:80]}: not a name of the hub; write OWNER/NAME", code=Code.HUB
        )
    answer = _ask_child(kind, repo_id, folder)
    if answer["result"] in ("silent", "unreachable"):
        offline = _ask_child(kind, repo_id, folder, HF_HUB_OFFLINE="1")
        answer = offline if offline["result"] == "done" else answer
    if answer["result"] == "done":
        return Path(answer["path"])
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    reason = {
        "missing": "not found; check the name",
        "closed": "gated, private or missing; check the name, request access, log in with `hf auth login`",
        "gated": "gated; request access on its page, then log in with `hf auth login`",
        "unreachable": f"{endpoint} cannot be reached and the cache does not hold it; check the connection",
        "silent": f"{endpoint} does not answer and the cache does not hold it; check the connection",
        "offline": "not in the cache, and HF_HUB_OFFLINE is set; unset it to download",
        "refused": "",
        "interrupted": "the download was interrupted; start it again, and it continues where it stopped",
    }.get(answer["result"])
    if reason is None:
        raise RuntimeError(f"the download of {repo_id} crashed:\n{answer['detail']}")
    raise UserError(f"hub {kind} {repo_id}: {reason}{answer.get('detail', '')}", code=Code.HUB)


def _ask_child(kind: str, repo_id: str, folder: str, **environment: str) -> dict[str, Any]:
    """Run `python -m data.hub_child` and return its last message; kill it if it is silent for too long."""
    project = str(Path(__file__).resolve().parent.parent)
    search = os.pathsep.join(filter(None, (project, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": search, **environment}
    command = [sys.executable, "-m", "data.hub_child", kind, repo_id, folder]
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            command, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
        output = cast(IO[str], child.stdout)  # a pipe
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        reader = threading.Thread(target=_read_lines, args=(output, lines), daemon=True)
        reader.start()
        answer: dict[str, Any] = {}
        try:
            patience = START_SECONDS
            while (line := lines.get(timeout=patience)) is not None:
                patience = SILENCE_SECONDS
                if line.startswith("{"):
                    answer = json.loads(line)
            if child.wait(timeout=SILENCE_SECONDS) < 0:  # killed by a signal to the process group
                answer = {"result": "interrupted"}
        except queue.Empty:
            answer = {"result": "silent"}
        finally:
            child.kill()
            child.wait()
            reader.join()
            output.close()
        if child.returncode and "result" not in answer:
            errors.seek(0)
            answer = {"result": "crashed", "detail": errors.read()[-2000:].decode("utf-8", "replace")}
        return answer


def _read_lines(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)
