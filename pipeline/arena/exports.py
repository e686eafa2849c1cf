"""The votes of a season as files for other programs, each with a data card.

Raters, rounds and votes stand under pseudonyms (`data.pseudonyms`). Preference pairs have TRL's columns
`prompt`, `chosen` and `rejected`, and beside them what a careful reader needs to split them: who voted, in
which season, and by how many places the answers differ.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from data.errors import Code, UserError
from data.files import write_atomic
from data.preferences import preference_pairs
from data.pseudonyms import Pseudonyms
from data.seasons import Season
from data.vote_table import votes_csv

FORMATS = ("jsonl", "parquet", "csv")
CARD = """# Votes of an arena on RLHF policies

- File: `{file}`, {rows} rows from {votes} votes, written {date}.
- Raters: {raters} of {all_raters}. {left_out} were left out because they vote faster than one can read, or
  always for the same pane. The rule looks at time and panes, never at policies.
- Languages of the page: {languages}. Prompts were typed by raters or suggested.
- Raters, rounds and votes are pseudonyms. Prompts and comments are free text and may name people.
- Licence: the raters'. Ask them before you publish the file.
- Answers are texts of small language models and can be wrong, unsafe or offensive.

Columns of the preference pairs: `prompt`, `chosen`, `rejected` (TRL's preference format, transcripts as
text), `margin` (places between the two answers in the rater's order), `rater`, `season`, `mode`,
`chosen_policy`, `rejected_policy`. Identical answers and ratings of single answers make no pair.

Split by prompt and by rater: one rater's votes are not independent, and neither are the pairs of one vote.

## Seasons

{seasons}
"""


def write_export(
    folder: Path,
    kind: str,
    votes: Sequence[Mapping[str, Any]],
    *,
    seasons: Sequence[Season],
    pseudonyms: Pseudonyms,
    left_out: Collection[str] = (),
) -> list[Path]:
    """Write the votes into the folder and return the paths of the file and of its card.

    votes: rows of `VoteStore.votes`. seasons: those that the votes belong to, for the card. left_out: raters
    whose votes are not written. Raises UserError for an unknown format and where nothing is left to write.
    """
    if kind not in FORMATS:
        raise UserError(f"format={kind}: choose one of {', '.join(FORMATS)}", code=Code.REQUEST)
    kept = [vote for vote in votes if vote["rater"] not in left_out]
    hidden = [pseudonyms.row(vote) for vote in kept]
    path = folder / f"votes.{kind}"
    if kind == "csv":
        rows = len(kept)
        path.write_text(votes_csv(hidden), encoding="utf-8-sig")
    else:
        pairs = preference_pairs(hidden, facts=True)
        rows = len(pairs)
        if not pairs:
            raise UserError("no vote prefers one answer to another yet: vote first", code=Code.NO_VOTES)
        if kind == "jsonl":
            write_atomic(path, "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))
        else:
            pd.DataFrame(pairs).to_parquet(path, index=False)
    card = folder / "README.md"
    raters = {vote["rater"] for vote in votes}
    card.write_text(
        card_text(path.name, rows, kept, seasons, len(raters), len(raters & set(left_out))), encoding="utf-8"
    )
    return [path, card]


def card_text(
    file: str,
    rows: int,
    votes: Sequence[Mapping[str, Any]],
    seasons: Sequence[Season],
    raters: int,
    left_out: int,
) -> str:
    """The data card: what the file holds, where it comes from, and what it must not be used for."""
    languages = ", ".join(sorted({vote["language"] for vote in votes})) or "none"
    return CARD.format(
        file=file,
        rows=rows,
        votes=len(votes),
        date=datetime.now(UTC).date(),
        raters=raters - left_out,
        all_raters=raters,
        left_out=left_out,
        languages=languages,
        seasons="\n".join(map(_season_line, seasons)),
    )


def _season_line(season: Season) -> str:
    facts = season.facts
    weights = ", ".join(f"{name} `{sha[:12]}`" for name, sha in facts.policies.items())
    decoding = json.dumps(dict(facts.decoding))
    return (
        f"- Season {season.number} (`{season.id}`), since {season.created[:10]}: preset {facts.preset}, base "
        f"`{facts.base_model}` `{facts.base_hash[:12]}`, {weights}; decoding {decoding}"
    )
