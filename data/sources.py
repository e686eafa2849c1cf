"""Reads preference pairs from a source: the tiny world, the hub, files, or the votes of the arena.

    tiny                        the tiny world, made from the seed
    hub:OWNER/NAME[/FOLDER]     a data set of the hub (jsonl, gzipped jsonl or parquet), see ``data.hub``
    FILE.jsonl                  a file of the user, see ``data.validation``
    FOLDER                      its files *.jsonl
    FILE.jsonl,FOLDER,...       several, each in its own format
    votes                       the preferences of people in the arena

Every row passes through ``data.validation.parse_pair``. A user's file is refused at its first bad row. In
data sets of the hub and in votes, which the user cannot correct, a row that is not a pair is dropped and
counted as ``unusable``; a broken file is refused there too. ``data.splits`` makes the splits.
"""

import gzip
import random
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import Code, UserError
from data.files import read_jsonl, sha256_file, sha256_text
from data.records import Pair
from data.splits import SPLITS, normalised
from data.validation import Parsed, Row, describe, parse_lines, parse_pair, read_pairs, read_rows
from data.workspace import Workspace

RATERS_PER_TESTED = 5  # of the raters of votes, one in so many is kept for the test split
PAIR_KEYS = ("prompt", "chosen", "rejected", "margin")
TINY_WORLD = "tiny world"  # the kind of the source, in a data set's card
WORLD_ROWS = {"train": 6000, "validation": 500, "test": 2000}


@dataclass(frozen=True)
class Loaded:
    """Pairs by split: "train", "validation" and "test" as far as the source has them, or "all".

    ``counts``: as in ``data.validation.Parsed``, with ``left_out`` for the pairs that ``max_rows`` left out.
    ``info``: the card's facts about the source: ``kind``, ``licence`` and a hash or revision.
    """

    pairs: dict[str, list[Pair]]
    counts: dict[str, int]
    info: dict[str, Any] = field(default_factory=dict)


def load_pairs(
    source: str,
    *,
    workspace: Workspace,
    seed: int,
    max_rows: int = 0,
    world_rows: Mapping[str, int] = WORLD_ROWS,
) -> Loaded:
    """Read a source.

    ``max_rows`` > 0 keeps a seeded sample of that many pairs in total; the tiny world generates only these.

    Raises UserError for a source that does not exist, cannot be reached or is malformed.
    """
    if source == "tiny":
        return _load_world(seed, world_rows, max_rows)
    if source == "votes":
        pairs, info = _load_votes(workspace)
    elif source.startswith("hub:"):
        pairs, info = _load_hub(source.removeprefix("hub:"))
    else:
        pairs, info = _load_files(files_of(source))
    counts: dict[str, int] = {}
    for parsed in pairs.values():
        for what, count in parsed.counts.items():
            counts[what] = counts.get(what, 0) + count
    if not counts.get("accepted"):
        raise UserError(f"{source}: holds no usable pair ({describe(counts)})", code=Code.SOURCE)
    kept = sample({name: parsed.pairs for name, parsed in pairs.items()}, max_rows, seed)
    counts["left_out"] = counts["accepted"] - sum(map(len, kept.values()))
    return Loaded(kept, counts, info)


def files_of(source: str) -> list[Path]:
    """The files that a user's source names; those of a folder in the order of their names.

    Raises UserError for a path that is neither a file nor a folder with files *.jsonl.
    """
    files: list[Path] = []
    for place in places_of(source):
        path = Path(place).expanduser()
        if path.is_dir():
            found = sorted(path.glob("*.jsonl"))
            if not found:
                raise UserError(
                    f"source {ascii(place)[:80]}: no *.jsonl file in this folder", code=Code.SOURCE
                )
            files += found
        elif path.is_file() or place.endswith((".jsonl", ".json")):
            files.append(path)  # `read_pairs` reports a missing file
        else:
            known = "tiny, votes, hub:OWNER/NAME, FILE.jsonl or FOLDER (several with commas)"
            raise UserError(f"source {ascii(place)[:80]}: write {known}", code=Code.SOURCE)
    return files


def places_of(source: str) -> list[str]:
    """The files and folders of a source, separated by commas.

    The name of an existing file may contain a comma.
    """
    if Path(source).exists():
        return [source]
    return [place.strip() for place in source.split(",") if place.strip()] or [source]


def default_name(source: str) -> str:
    """A data set's name derived from its source: "tiny", "votes", "hh-rlhf", "my_pairs", "mine-yours"."""
    places = [place.removeprefix("hub:").replace("\\", "/").rstrip("/") for place in places_of(source)]
    stems = [re.sub(r"\.jsonl?$", "", place.rsplit("/", 1)[-1]) for place in places]
    name = re.sub(r"[^\w\-]+", "-", "-".join(stems)).strip("-_")
    return name[:40] or "data"


def sample(pairs: Mapping[str, list[Pair]], max_rows: int, seed: int) -> dict[str, list[Pair]]:
    """A seeded sample of ``max_rows`` pairs (0: all), proportional over the splits, in the original order."""
    total = sum(map(len, pairs.values()))
    if not max_rows or total <= max_rows:
        return dict(pairs)
    kept = {}
    for name, rows in pairs.items():
        wanted = min(len(rows), max(1, round(max_rows * len(rows) / total)))
        kept[name] = [rows[i] for i in sorted(random.Random(seed).sample(range(len(rows)), wanted))]
    return kept


def _load_world(seed: int, world_rows: Mapping[str, int], max_rows: int) -> Loaded:
    from data import world  # a large module, which only this source needs

    total = sum(world_rows.values())
    scale = min(1.0, max_rows / total) if max_rows else 1.0
    sizes = {name: max(1, round(world_rows[name] * scale)) for name in SPLITS}
    parsed = Parsed()
    pairs: dict[str, list[Pair]] = {}
    for name, rows in world.generate_splits(seed, **sizes).items():
        start = len(parsed.pairs)
        for row in rows:
            parsed.add(parse_pair(row))
        pairs[name] = parsed.pairs[start:]
    labels = {"noise": world.NOISE, "least_lead": world.LEAST_LEAD, "unit": "gold reward"}
    info = {"kind": TINY_WORLD, "licence": "MIT", "asked": sizes, "labels": labels}
    return Loaded(pairs, parsed.counts | {"left_out": 0}, info)


def _load_votes(workspace: Workspace) -> tuple[dict[str, Parsed], dict[str, Any]]:
    """The pairs of all votes, in "all" and "test".

    The split "test" takes what must not be trained on: the pairs on prompts that a data set of the workspace
    holds back for its tests, and those of one rater in five (of five or more), because one rater's votes are
    alike.
    """
    from data.votes import VoteStore  # opens a database, which only this source needs

    if not workspace.votes_db.is_file():
        raise UserError(f"source votes: no votes in {workspace.root} yet", code=Code.NO_VOTES)
    store = VoteStore(workspace.votes_db)
    rows = store.preference_pairs(facts=True)
    store.close()
    raters = {row["rater"] for row in rows}
    apart, tested = raters_apart(raters), tested_prompts(workspace)
    parts: dict[str, list[Row | None]] = {"all": [], "test": []}
    for row in rows:
        held_back = row["rater"] in apart or normalised(row["prompt"]) in tested
        parts["test" if held_back else "all"].append({key: row[key] for key in PAIR_KEYS})
    seasons = sorted({row["season"] for row in rows if row["season"]})
    info = {"kind": "votes", "licence": "the raters'", "raters": len(raters), "raters_apart": len(apart)}
    pairs = {name: _parse_leniently(found) for name, found in parts.items() if found or name == "all"}
    return pairs, info | {"seasons": seasons}


def raters_apart(raters: Collection[str]) -> frozenset[str]:
    """One rater in five, the same at every call; nobody where there are fewer than five."""
    ordered = sorted(raters, key=sha256_text)
    return frozenset(ordered[: len(ordered) // RATERS_PER_TESTED])


def tested_prompts(workspace: Workspace) -> set[str]:
    """The normalised prompts of the test splits of the workspace's data sets, those of votes left out."""
    found: set[str] = set()
    for path in workspace.datasets.glob("*/test_prefs.jsonl"):
        if path.parent.name != default_name("votes"):
            found |= {normalised(str(row.get("prompt", ""))) for row in read_jsonl(path)}
    return found


def _load_files(files: list[Path]) -> tuple[dict[str, Parsed], dict[str, Any]]:
    parsed = Parsed()  # shared by all files, so that a pair in two files counts as a duplicate
    for path in files:
        read_pairs(path, parsed)
    facts = [{"file": path.name, "sha256": sha256_file(path)} for path in files]
    info = {"kind": "file", **facts[0]} if len(files) == 1 else {"kind": "files", "files": facts}
    return {"all": parsed}, info | {"licence": "unknown"}


def _load_hub(place: str) -> tuple[dict[str, Parsed], dict[str, Any]]:
    from data.hub import download_dataset

    owner, _, rest = place.partition("/")
    name, _, folder = rest.strip("/").partition("/")
    repo_id = f"{owner}/{name}" if name else owner
    try:
        found = download_dataset(repo_id, folder)
    except UserError as error:
        raise UserError(
            str(error), code=error.code, command="or take files: --set source=FILE.jsonl,FOLDER"
        ) from error
    pairs: dict[str, Parsed] = {}
    for split, path in found.files:
        shown = f"hub:{repo_id}: {path.name}"
        parsed = pairs.setdefault(split, Parsed())
        _parse_leniently(_hub_rows(path, shown), parsed)
    info = {"kind": "hub", "repository": repo_id, "revision": found.revision, "licence": found.licence}
    return pairs, info | {"files": len(found.files)}


def _hub_rows(path: Path, shown: str) -> Iterator[Row | None]:
    """The rows of one file of the hub's cache. Raises UserError if it is broken."""
    try:
        if path.name.endswith(".parquet"):
            yield from _parquet_rows(path)
        elif path.name.endswith(".gz"):
            with gzip.open(path, "rb") as file:
                yield from (row for _, row in parse_lines(file, shown))
        else:
            yield from (row for _, row in read_rows(path))
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"{shown}: broken ({error}); remove it from the hub's cache and try again", code=Code.HUB
        ) from error


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            wanted = [name for name in file.schema_arrow.names if name in ("prompt", "chosen", "rejected")]
            for batch in file.iter_batches(batch_size=1000, columns=wanted):
                yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise OSError(error) from error


def _parse_leniently(rows: Iterable[Row | None], parsed: Parsed | None = None) -> Parsed:
    parsed = parsed or Parsed()
    for row in rows:
        if row is None:
            parsed.count("blank")
            continue
        try:
            pair = parse_pair(row)
        except ValueError:
            parsed.count("lines")
            parsed.count("unusable")
            continue
        parsed.add(pair)
    return parsed
