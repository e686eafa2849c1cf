"""Strict reading of preference files: a file is accepted completely or refused with the line and the reason.

The format is JSON lines with `chosen` and `rejected` as complete transcripts (HH's raw format), or with
`prompt`, `chosen` and `rejected` as text or as message lists. A BOM, CRLF and blank lines are accepted; any
other deviation is an error. Nothing is guessed: a date stays text, a gzip file is refused. Duplicate pairs,
pairs of two equal responses and pairs with an empty response are dropped and counted. Lines are read in
bounded memory. ``data.sources`` reads other formats of the hub with the same rules.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from gzip import GzipFile
from pathlib import Path
from typing import IO, Any

from data.errors import Code, UserError
from data.records import HUMAN, Pair, canonical_prompt, canonical_response, split_transcripts, transcript

Row = dict[str, Any]  # one JSON object
MAX_LINE_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


@dataclass
class Parsed:
    """Pairs in the order of the file, and counts of the lines.

    ``counts`` has ``lines`` (not blank), ``blank``, ``accepted``, ``duplicates``, ``identical`` and
    ``empty``; always ``accepted + duplicates + identical + empty (+ unusable, for the hub) == lines``.
    """

    pairs: list[Pair] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("lines", "blank", "accepted", "duplicates", "identical", "empty"), 0
        )
    )
    _seen: set[Pair] = field(default_factory=set, repr=False)

    def add(self, pair: Pair) -> None:
        """Accept one line's pair, or drop and count it."""
        self.count("lines")
        if pair.chosen == pair.rejected:
            self.count("identical")
        elif not pair.chosen or not pair.rejected:
            self.count("empty")
        elif pair in self._seen:
            self.count("duplicates")
        else:
            self._seen.add(pair)
            self.pairs.append(pair)
            self.count("accepted")

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


def read_pairs(path: Path | str, parsed: Parsed | None = None) -> Parsed:
    """Read a JSON-lines file; ``parsed`` collects the pairs of several files.

    Raises UserError ``FILE, line N: reason`` at the first line that is not a pair.
    """
    parsed = parsed or Parsed()
    for number, row in read_rows(path):
        if row is None:
            parsed.count("blank")
            continue
        try:
            parsed.add(parse_pair(row))
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}", code=Code.FILE) from error
    if not parsed.pairs:
        raise UserError(f"{path}: holds no usable pair ({describe(parsed.counts)})", code=Code.SOURCE)
    return parsed


def read_rows(path: Path | str) -> Iterator[tuple[int, Row | None]]:
    """(line number from 1, object) of each line of a JSON-lines file; None for a blank line.

    Raises UserError if the file cannot be read or a line is not one JSON object of at most 1 MiB.
    """
    if not Path(path).is_file():
        raise UserError(f"{ascii(str(path))[1:-1]}: no such file", code=Code.FILE)
    try:
        with open(path, "rb") as file:
            start = file.read(4)
            if start[:2] == b"\x1f\x8b":
                raise UserError(
                    f"{path}, line 1: gzip-compressed, not JSON lines; unpack it first", code=Code.FILE
                )
            if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise UserError(f"{path}, line 1: UTF-16, not UTF-8; save it as UTF-8", code=Code.FILE)
            file.seek(0)
            yield from parse_lines(file, str(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})", code=Code.FILE) from error


def parse_lines(file: IO[bytes] | GzipFile, shown: str) -> Iterator[tuple[int, Row | None]]:
    """Like ``read_rows``, for an open binary file; ``shown`` is its name in errors."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 3):  # + CR, LF and one byte too many
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(content) > MAX_LINE_BYTES:
            raise UserError(f"{shown}, line {number}: longer than 1 MiB; split or remove it", code=Code.FILE)
        if not content.strip():
            yield number, None
            continue
        try:
            yield number, parse_object(content)
        except ValueError as error:
            raise UserError(f"{shown}, line {number}: {error}", code=Code.FILE) from error


def parse_object(line: bytes) -> Row:
    """One line as an object. Raises ValueError with the reason."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not valid UTF-8 (byte {error.start + 1} of the line)") from error
    try:
        row = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg}, column {error.colno})") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(row, dict):
        raise ValueError(f"must be a JSON object, not {_type_name(row)}")
    return row


def parse_pair(row: Row) -> Pair:
    """The canonical pair of one row in any of the accepted formats. Raises ValueError with the reason."""
    for key in ("chosen", "rejected"):
        if key not in row:
            raise ValueError(f"key '{key}' is missing")
    chosen, rejected = (_conversation(row[key], key) for key in ("chosen", "rejected"))
    if type(row["chosen"]) is not type(row["rejected"]):
        raise ValueError("'chosen' and 'rejected' must both be text or both be message lists")
    if "prompt" not in row:
        return split_transcripts(chosen, rejected)
    if isinstance(row["prompt"], list):
        prompt = _conversation(row["prompt"], "prompt", open_end=True)
        if row["prompt"][-1]["role"] != "user":
            raise ValueError("the last message of 'prompt' must be the user's")
    else:
        prompt = canonical_prompt(_conversation(row["prompt"], "prompt"))
    if not prompt.startswith(HUMAN):
        raise ValueError("the prompt must open with a Human turn")
    responses = (canonical_response(chosen, prompt), canonical_response(rejected, prompt))
    if isinstance(row["chosen"], list):
        for key, response in zip(("chosen", "rejected"), responses, strict=True):
            if response.startswith("Human:"):
                raise ValueError(f"the messages of '{key}' do not continue 'prompt'")
    kind, margin = row.get("kind"), row.get("margin")
    far = isinstance(margin, int | float) and not isinstance(margin, bool) and margin > 0
    return Pair(prompt, *responses, kind if isinstance(kind, str) else None, margin if far else None)


def describe(counts: dict[str, int]) -> str:
    """The counts as a phrase, without zeros."""
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "it is empty"


def _conversation(value: Any, key: str, open_end: bool = False) -> str:
    """Text unchanged, or a message list as a transcript, checked for forbidden characters."""
    if isinstance(value, str):
        return _clean(value, key)
    if not isinstance(value, list):
        raise ValueError(f"'{key}' must be text or a list of messages, not {_type_name(value)}")
    if not value:
        raise ValueError(f"'{key}' is an empty list")
    for message in value:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise ValueError(f"a message of '{key}' must be an object with the texts 'role' and 'content'")
        _clean(message["content"], key)
    return transcript(value, open=open_end)


def _clean(text: str, key: str) -> str:
    if "\0" in text:
        raise ValueError(f"'{key}' holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"'{key}' holds half a character (a lone surrogate)") from error
    return text


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique_keys(items: list[tuple[str, Any]]) -> Row:
    row: Row = {}
    for key, value in items:
        if key in row:
            raise ValueError(f"key {ascii(key)[:60]} is given twice")
        row[key] = value
    return row


def _type_name(value: Any) -> str:
    """JSON's name for the type of ``value``."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else "a number"
