"""Stage `prepare`: create a data set of preference pairs from a source.

Reads the source (`data.sources`), splits it by prompt (`data.splits`), checks that no prompt is in two
splits, and writes `datasets/<name>/` with one file of rows per split and a card. The data set is written to a
temporary folder, which is then renamed, so that after a failure or a kill the earlier data set, or none,
exists.

    python -m pipeline prepare --set source=tiny name=tiny
"""

import json
import os
import secrets
import shutil
from collections import Counter
from pathlib import Path
from statistics import fmean

from data import world
from data.datasets import write_card
from data.errors import Code, UserError
from data.files import sha256_file, sha256_text, sync_folder, write_atomic
from data.records import Pair, messages
from data.sources import TINY_WORLD, Loaded, default_name, load_pairs
from data.splits import SPLITS, remove_overlap, shared_prompts, split_by_prompt
from data.workspace import Workspace
from pipeline.runs.record import Cancelled, Run, now
from pipeline.settings.fields import PrepareSettings
from pipeline.stages import long_rows

TEXTS = ("prompt", "chosen", "rejected")
FORMAT = {
    "prompt": "HH transcript: opens with a blank line and 'Human:', ends with 'Assistant:'",
    "chosen": "the preferred response, stripped",
    "rejected": "the other response, stripped",
    "margin": "of votes: by how many places the two responses are apart",
}


def prepare(settings: PrepareSettings, run: Run, workspace: Workspace) -> dict:
    """Create the data set; returns the part of its card that run.json keeps.

    Raises UserError if the source is missing or malformed, Cancelled if asked to stop; in both cases no files
    are left behind.
    """
    folder = workspace.dataset(settings.name or default_name(settings.source))
    print(f"reading {settings.source}", flush=True)
    try:
        loaded = load_pairs(
            settings.source,
            workspace=workspace,
            seed=settings.seed,
            max_rows=settings.max_rows,
            world_rows={name: getattr(settings, f"{name}_rows") for name in SPLITS},
        )
    except UserError:
        if run.should_stop():  # the signal ended the download as well
            raise Cancelled from None
        raise
    if run.should_stop():
        raise Cancelled
    kept, too_long = long_rows.dropped(loaded.pairs, settings, run)
    splits, overlap = make_splits(
        kept, settings.seed, settings.validation_fraction, settings.test_fraction, settings.judge_fraction
    )
    if not splits["train"]:
        raise UserError(
            f"{settings.source}: no pairs remain for training; choose a larger source", code=Code.SOURCE
        )
    empty = [name for name in splits if not splits[name]]
    if empty:
        run.event("small data set", f"too few different prompts: no pairs in {' and '.join(empty)}")
    if shared_prompts(splits):
        raise RuntimeError("a prompt is in two splits")  # make_splits guarantees that this cannot happen

    staging = folder.with_name(f".{folder.name}~{secrets.token_hex(4)}.new")
    try:
        staging.mkdir(parents=True)
        files = {name: _write_rows(staging / f"{name}_prefs.jsonl", rows) for name, rows in splits.items()}
        dropped = {"too_long": too_long, "overlap": overlap}
        card = _card(folder.name, settings, loaded, splits, dropped, files)
        write_card(staging, card)
        _replace(folder, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    print(f"{workspace.relative(folder)}: " + ", ".join(f"{len(splits[s])} {s}" for s in splits), flush=True)
    keys = ("name", "source", "licence", "counts", "splits", "leakage", "sha256")
    return {"dataset": folder.name} | {key: card[key] for key in keys}


def make_splits(
    pairs: dict[str, list[Pair]], seed: int, validation: float, test: float, judge: float = 0.0
) -> tuple[dict[str, list[Pair]], int]:
    """Train, validation and test from the splits of the source ("all" if it has none).

    Splits that the source has are kept; those that it lacks are taken from its training pairs, by prompt.
    Returns the splits and the number of pairs removed because a later split also has their prompt. With
    `judge` > 0, a split "judge" takes that share of the training pairs.
    """
    given = {name: pairs[name] for name in ("validation", "test") if pairs.get(name)}
    pool = pairs.get("train", []) + pairs.get("all", [])
    validation = 0.0 if "validation" in given else validation
    test = 0.0 if "test" in given else test
    splits, overlap = remove_overlap(
        split_by_prompt(pool, seed, (1 - validation - test, validation, test)) | given
    )
    if judge:
        parts = split_by_prompt(splits["train"], seed, (1 - judge, 0.0, judge))
        splits |= {"train": parts["train"], "judge": parts["test"]}
    return splits, overlap


def _write_rows(path: Path, pairs: list[Pair]) -> dict:
    """Write one split; returns its entry for the card."""
    write_atomic(path, "".join(_line(pair) for pair in pairs))
    return {
        "file": path.name,
        "pairs": len(pairs),
        "prompts": len({pair.prompt for pair in pairs}),
        "bytes": path.stat().st_size,
        "sha256": sha256_file(path),
    }


def _line(pair: Pair) -> str:
    return json.dumps(pair.row(), ensure_ascii=False) + "\n"


def _card(
    name: str,
    settings: PrepareSettings,
    loaded: Loaded,
    splits: dict[str, list[Pair]],
    dropped: dict[str, int],
    files: dict[str, dict],
) -> dict:
    """The data set's card, dataset.json: its origin, the dropped pairs, lengths and hashes."""
    pairs = [pair for rows in splits.values() for pair in rows]
    kinds = Counter(pair.kind for pair in pairs if pair.kind)
    turns = Counter(len(messages(pair.prompt)) for pair in pairs)
    return {
        "name": name,
        "created": now(),
        "source": settings.source,
        "source_info": loaded.info,
        "licence": loaded.info["licence"],
        "seed": settings.seed,
        "max_rows": settings.max_rows,
        "counts": loaded.counts | dropped | {"kept": len(pairs)},
        "splits": files,
        "sha256": sha256_text("".join(facts["sha256"] for facts in files.values())),
        "leakage": _leakage(splits, in_world=loaded.info.get("kind") == TINY_WORLD),
        "lengths": {
            "unit": "characters",
            **{part: _lengths([getattr(pair, part) for pair in pairs]) for part in TEXTS},
            "chosen_longer": fmean(len(pair.chosen) > len(pair.rejected) for pair in pairs),
        },
        "turns": {str(turns): count for turns, count in sorted(turns.items())},
        "kinds": dict(sorted(kinds.items())),
        "format": FORMAT,
    }


def _leakage(splits: dict[str, list[Pair]], in_world: bool) -> dict:
    """The leakage check. In the tiny world, case, marks and a greeting do not make another question."""
    if in_world:
        check = "last questions in more than one split, without case, marks, greeting, please and context"
        shared = shared_prompts(splits, world.question_key)
    else:
        check = "prompts in more than one split, after NFKC, case folding and squeezing white space"
        shared = shared_prompts(splits)
    return {"check": check, "shared_prompts": shared, "passed": shared == 0}


def _lengths(texts: list[str]) -> dict[str, float]:
    sizes = sorted(map(len, texts))
    at = {"min": 0.0, "median": 0.5, "p95": 0.95, "max": 1.0}
    return {"mean": round(fmean(sizes), 1)} | {
        key: sizes[round(share * (len(sizes) - 1))] for key, share in at.items()
    }


def _replace(folder: Path, staging: Path) -> None:
    """Replace `folder` by `staging`. An existing folder cannot be replaced in one step, so it is moved aside
    first; after a kill in between, `pipeline.runs.leftovers` moves it back."""
    aside = folder.with_name(f".{folder.name}~{secrets.token_hex(4)}.old")
    sync_folder(staging)
    if folder.exists():
        os.replace(folder, aside)
    os.replace(staging, folder)
    sync_folder(folder.parent)
    shutil.rmtree(aside, ignore_errors=True)
