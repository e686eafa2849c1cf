"""Maps a prompt as a person typed it to its request, or to None if it is outside the world.

A question is matched against the wordings in `kinds.py`; case, a greeting in front, "please" and the closing
mark do not matter. "What about X?" takes its kind from the previous human turn. A question with a known
wording and an unknown subject ("What is the capital of Zorbia?") is a request about something unknown. A
question about a known subject without a wording ("What is the name of a dog in France?") is outside the
world, and so is a long text.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from data.records import messages
from data.world.entities import NUMBERS, TOPICS
from data.world.kinds import by_name, kinds
from data.world.request import Kind, Request, bare

OPENERS = (
    "Please tell me:", "Hello!", "Hi!", "I have a question.", "Quick question:", "Excuse me,",
    "Can you help me?", "Please,", "Tell me,", "One more thing:", "I would like to know:",
)  # fmt: skip
CLOSERS = ("Thanks.", "Thank you.", "Please be brief.", "Please.")
FOLLOW_UPS = ("What about {x}?", "And {x}?", "And what about {x}?", "How about {x}?")
LONGEST = 300  # characters per turn; the world asks short questions, and matching a long text is slow
_SIGNS = {"+": "plus", "-": "minus", "−": "minus"}
_NUMERALS = {str(n): word for n, word in enumerate(NUMBERS)}
_SLOT = re.compile(r"\\{(\w+)\\}")


def plain(text: str) -> str:
    """Lower case, single spaces, no quotes, no closing mark."""
    text = re.sub(r"[\"“”]", "", text.lower().replace("’", "'"))
    return re.sub(r"\s+", " ", text).strip(" .!?")


def spelled_out(text: str) -> str:
    """Plain text spelled like the wordings: "what's 7 + 5" becomes "what is seven plus five"."""
    text = re.sub(r"^(what|who|where|how)'?s ", r"\1 is ", text)
    text = re.sub(r"(?<=\d) ?([-+−]) ?(?=\d)", lambda m: f" {_SIGNS[m.group(1)]} ", text)
    return re.sub(r"\b\d{1,2}\b", lambda m: _NUMERALS.get(m.group(), m.group()), text)


def _pattern(question: str) -> re.Pattern[str]:
    return re.compile(_SLOT.sub(lambda m: f"(?P<{m.group(1)}>.+?)", re.escape(spelled_out(plain(question)))))


@cache
def _patterns() -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    return tuple((kind, _pattern(q)) for kind in kinds() for q in kind.questions)


@cache
def _follow_up_patterns() -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(q) for q in FOLLOW_UPS)


@cache
def _index() -> dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, str]]:
    """Maps (kind name, slots of one of its wordings) to the item, for all kinds."""
    found = {}
    for kind in kinds():
        for question in kind.questions:
            slots = re.findall(r"{(\w+)}", question)
            for item in kind.items:
                found[kind.name, tuple(sorted((s, bare(item[s])) for s in slots))] = item
    return found


@cache
def _wrapping() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Openers and closers in the form of `plain`."""
    return tuple(opener.lower() for opener in OPENERS), tuple(" " + plain(closer) for closer in CLOSERS)


def _strip_wrapping(text: str) -> str:
    text = plain(text)
    openers, closers = _wrapping()
    for _ in range(2):
        for opener in openers:
            if text.startswith(opener) and len(text) > len(opener) + 3:
                text = text[len(opener) :].strip(" .!?,:")
        for closer in closers:
            if text.endswith(closer) and len(text) > len(closer) + 2:
                text = text[: -len(closer)].strip(" .!?,:")
    return text


@lru_cache(maxsize=65536)
def normal(text: str) -> str:
    """A human turn without what does not matter: case, marks, a greeting in front, "please", numerals."""
    return spelled_out(_strip_wrapping(text))


def is_follow_up(text: str) -> bool:
    """Whether a human turn is worded like a follow-up question: "What about Peru?\""""
    return any(pattern.fullmatch(normal(text)) for pattern in _follow_up_patterns())


def _named_item(kind: Kind, slots: dict[str, str], original: str) -> dict[str, str]:
    """An item for a name without an entry in the world, spelled as the person spelled it."""
    found = re.search(re.escape(slots.get("x", "")), original, re.IGNORECASE)
    name = found.group(0) if found else slots.get("x", "")
    return {**(kind.items[0] if kind.items else {}), **slots, "x": name, "s": name.removeprefix("my ")}


def find(text: str) -> Request | None:
    """The request of one human turn, without its context."""
    known = _index()
    subject = None
    if len(text) > LONGEST:
        return None
    for candidate in dict.fromkeys(map(spelled_out, (plain(text), _strip_wrapping(text)))):
        for kind, pattern in _patterns():
            match = pattern.fullmatch(candidate)
            if not match:
                continue
            slots = match.groupdict()
            item = known.get((kind.name, tuple(sorted((s, bare(v)) for s, v in slots.items()))))
            if item is not None:
                return Request(kind, item)
            if kind.open_slot:
                return Request(kind, _named_item(kind, slots, text))
            # Several wordings may match; the shortest subject is the most precise reading.
            asks = "x" in slots and kind.group in ("fact", "sum", "unknown")
            if asks and (subject is None or len(slots["x"]) < len(subject)):
                subject = slots["x"]
    return None if subject is None else _about_unknown(subject, text)


@cache
def _known_words() -> frozenset[str]:
    items = (
        item for kind in kinds() if kind.group in ("fact", "sum", "choice", "list") for item in kind.items
    )
    return frozenset(word for item in items for word in bare(item["x"]).split())


def _about_unknown(subject: str, original: str) -> Request | None:
    """A request about an unknown subject; None if it is unclear that the honest answer is "I don't know".

    One or two words count as a name. "The weight of a dog" does not: a person may know it.
    """
    name = bare(subject)
    words = name.split()
    is_name = len(words) <= 2 and name == subject
    if not is_name and name not in map(bare, TOPICS) and (len(words) > 4 or _known_words() & set(words)):
        return None
    unknown = by_name()["unknown"]
    return Request(unknown, _named_item(unknown, {"x": name}, original))


@lru_cache(maxsize=65536)
def parse(prompt: str) -> Request | None:
    """The request of the last human turn of a canonical prompt; None if it is outside the world."""
    turns = [m["content"] for m in messages(prompt) if m["role"] == "user"]
    if not turns:
        return None
    if len(turns) > 1 and (request := _follow_up(turns)):
        return request
    return find(turns[-1])


def _follow_up(turns: list[str]) -> Request | None:
    before = find(turns[-2])
    if before is None or not before.kind.follow_up:
        return None
    if len(turns[-1]) > LONGEST:
        return None
    for pattern in _follow_up_patterns():
        if match := pattern.fullmatch(normal(turns[-1])):
            key = (before.kind.name, (("x", bare(match.group("x"))),))
            if item := _index().get(key):
                return Request(before.kind, item)
            return _about_unknown(match.group("x"), turns[-1])
    return None
