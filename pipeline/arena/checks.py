"""What the arena takes from outside: texts and identifiers."""

from typing import Any

from data.errors import Code, UserError

RATER_CHARACTERS = 100


def checked_text(text: Any, limit: int, what: str) -> str:
    """Return the text if it can be stored and answered, else raise UserError."""
    if not isinstance(text, str):
        raise UserError(f"{what} must be text", code=Code.PROMPT)
    if len(text) > limit:
        raise UserError(f"{what} is too long: {len(text):,} characters, at most {limit:,}", code=Code.PROMPT)
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError(
            f"{what} contains characters that are not valid text (NUL or half a surrogate pair)",
            code=Code.PROMPT,
        )
    return text


def checked_rater(rater: Any) -> str:
    """Return the id of a rater or a vote if it is printable text, else raise UserError."""
    text = checked_text(rater, RATER_CHARACTERS, "the id").strip()
    if not text or not text.isprintable():
        raise UserError("the id of a rater or a vote must consist of printable characters", code=Code.PROMPT)
    return text
