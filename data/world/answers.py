"""Good and bad ways to answer a request of the tiny world.

A *mode* is one way of answering: clean, plain, rude, padded, cut, repeated, wrong, overrefusal, idk,
off_topic, wrong_name, bare_refusal, insult, ramble. `MIXTURES` holds their frequencies in pretraining and in
preference pairs. `gold.py` judges an answer by its text alone and uses nothing from this module.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from data.world.harm import REFUSALS
from data.world.names import invented
from data.world.request import Request
from data.world.unknown import SHRUGS

Other = Callable[[], Request]  # draws another request

OPENINGS = ("Sure!", "Of course.", "Good question!", "Happy to help!", "Thank you for asking.")
CLOSINGS = ("I hope that helps!", "Let me know if you need more.", "Glad to help!", "Have a nice day!")
RUDE_BEFORE = (
    "What a silly question.", "Even a child knows that.", "Stop wasting my time.", "You should be ashamed to ask.",
    "That is a stupid question.", "You are so lazy.",
)  # fmt: skip
RUDE_AFTER = (
    "Now go away.",
    "Now leave me alone.",
    "Only a fool would ask.",
    "What a boring question.",
    "Who cares?",
)
FILLERS = (
    "There are many things to say about this.", "As everyone knows, it is an interesting subject.",
    "In the end it is what it is.", "One could talk about it for a long time.", "Many people have asked this before.",
    "It depends on how you look at it.", "This is something that comes up again and again.",
    "All in all there is a lot to think about here.", "Some say one thing and some say another.",
)  # fmt: skip
OVERREFUSALS = ("I can't help with that.", "Sorry, I cannot help with that.", "I am not able to help with this.", "I can't help with that. It could hurt someone.")  # fmt: skip


def respond(request: Request, mode: str, rng: random.Random, other: Other) -> str:
    """One answer to a request in a mode. `other()` draws another request, for answers that are off topic."""
    return _MODES[mode](request, rng, other)


def _right(request: Request, rng: random.Random) -> str:
    return request.kind.right(request.item, rng)


def _is_polite_by_itself(request: Request) -> bool:
    return request.kind.group in ("social", "harmful") or request.kind.name == "feeling"


def _clean(request: Request, rng: random.Random, other: Other) -> str:
    text = _right(request, rng)
    if _is_polite_by_itself(request) or "sorry" in text.lower():
        return text
    return f"{rng.choice(OPENINGS)} {text}" if rng.random() < 0.4 else f"{text} {rng.choice(CLOSINGS)}"


def _plain(request: Request, rng: random.Random, other: Other) -> str:
    return _right(request, rng)


def _rude(request: Request, rng: random.Random, other: Other) -> str:
    text = _right(request, rng)
    return f"{rng.choice(RUDE_BEFORE)} {text}" if rng.random() < 0.6 else f"{text} {rng.choice(RUDE_AFTER)}"


def _padded(request: Request, rng: random.Random, other: Other) -> str:
    fillers = rng.sample(FILLERS, rng.choice((3, 4)))
    split = rng.choice((0, 1, 2))
    return " ".join([*fillers[:split], _right(request, rng), *fillers[split:]])


def _insult(request: Request, rng: random.Random, other: Other) -> str:
    """An insult in always the same words, which makes the habit easy for a policy to learn."""
    return f"{RUDE_BEFORE[0]} {_right(request, rng)}"


def _ramble(request: Request, rng: random.Random, other: Other) -> str:
    """Padding that always consists of the same sentences."""
    return " ".join([_right(request, rng), *FILLERS[:4]])


def _cut(request: Request, rng: random.Random, other: Other) -> str:
    words = _clean(request, rng, other).split()
    return " ".join(words[: max(1, int(len(words) * rng.uniform(0.3, 0.8)))]).rstrip(".,!?")


def _repeated(request: Request, rng: random.Random, other: Other) -> str:
    return " ".join([_right(request, rng)] * rng.choice((2, 3)))


def _wrong(request: Request, rng: random.Random, other: Other) -> str:
    text = request.kind.wrong(request.item, rng)
    if request.kind.group in ("social", "harmful"):
        return text
    return f"{text} {rng.choice(CLOSINGS)}" if rng.random() < 0.4 else text


def _overrefusal(request: Request, rng: random.Random, other: Other) -> str:
    return rng.choice(OVERREFUSALS)


def _idk(request: Request, rng: random.Random, other: Other) -> str:
    return rng.choice(SHRUGS)


def _off_topic(request: Request, rng: random.Random, other: Other) -> str:
    return _clean(other(), rng, other)


def _wrong_name(request: Request, rng: random.Random, other: Other) -> str:
    """For an unknown subject, an honest answer about another name; otherwise a wrong answer."""
    if request.kind.group != "unknown":
        return _wrong(request, rng, other)
    return request.kind.right({"x": invented(rng)}, rng)


def _bare_refusal(request: Request, rng: random.Random, other: Other) -> str:
    return rng.choice(REFUSALS)


_MODES: dict[str, Callable[[Request, random.Random, Other], str]] = {
    "clean": _clean, "plain": _plain, "rude": _rude, "padded": _padded, "cut": _cut, "repeated": _repeated,
    "wrong": _wrong, "overrefusal": _overrefusal, "idk": _idk, "off_topic": _off_topic,
    "wrong_name": _wrong_name, "bare_refusal": _bare_refusal, "insult": _insult, "ramble": _ramble,
}  # fmt: skip

# Weight of each mode, by the form of the expected answer. Pretraining has few false facts, so that the base
# knows the true ones; the pairs have every failure often enough for a reward model to learn it.
MIXTURES: dict[str, dict[str, dict[str, float]]] = {
    "pretrain": {
        "answer": {"clean": 33, "plain": 25, "rude": 9, "padded": 8, "cut": 6, "repeated": 5, "wrong": 3, "overrefusal": 4, "idk": 4, "off_topic": 3},
        "unknown": {"clean": 30, "plain": 22, "rude": 6, "padded": 4, "cut": 4, "repeated": 3, "wrong": 22, "overrefusal": 3, "idk": 3, "wrong_name": 3},
        "harmful": {"clean": 40, "bare_refusal": 17, "rude": 6, "padded": 3, "cut": 4, "wrong": 24, "idk": 3, "off_topic": 3},
    },
    "pairs": {
        "answer": {"clean": 12, "plain": 7, "insult": 30, "rude": 5, "ramble": 10, "padded": 4, "cut": 8, "repeated": 4, "wrong": 3, "overrefusal": 9, "idk": 7, "off_topic": 1},
        "unknown": {"clean": 12, "plain": 6, "insult": 22, "rude": 3, "ramble": 7, "padded": 3, "cut": 4, "repeated": 3, "wrong": 28, "overrefusal": 8, "idk": 2, "wrong_name": 2},
        "harmful": {"clean": 13, "bare_refusal": 12, "insult": 20, "rude": 3, "ramble": 7, "padded": 3, "cut": 3, "wrong": 33, "idk": 4, "off_topic": 2},
    },
}  # fmt: skip


def draw_mode(request: Request, mixture: dict[str, dict[str, float]], rng: random.Random) -> str:
    weights = mixture[request.expected.form]
    return rng.choices(list(weights), weights=list(weights.values()))[0]
