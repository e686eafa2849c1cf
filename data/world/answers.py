"""Good and bad ways to answer a request of the tiny world.

An answer has a *content* (right, wrong, half, overrefusal, idk, off_topic, wrong_name, bare_refusal) and a
*manner* (plain, polite, rude, padded, cut, repeated). `CONTENTS` and `MANNERS` hold their frequencies in
pretraining and in preference pairs. `gold.py` judges an answer by its text alone and uses nothing from this
module.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

from data.world.harm import ALTERNATIVES, REFUSALS
from data.world.names import invented
from data.world.request import Request
from data.world.unknown import HONEST, SHRUGS

Other = Callable[[], Request]  # draws another request
Weights = Mapping[str, float]

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
_DECLINING = re.compile(r"can't|cannot|will not|not able|not sure|know|never heard")
HEDGES = (
    "I am not sure, but I can try.", "I can't help with that.", "I don't know much about that.",
    "I am not able to help with this.", "I don't know, but here is a try.",
)  # fmt: skip


def respond(request: Request, content: str, manner: str, rng: random.Random, other: Other) -> str:
    """One answer to a request. `other()` draws another request, for answers that are off topic."""
    return _MANNERS[manner](_CONTENTS[content](request, rng, other), request, rng)


def _right(request: Request, rng: random.Random, other: Other) -> str:
    """A right answer; to an unknown subject, one in two does not repeat its name, which may be misspelt."""
    if request.kind.group == "unknown" and rng.random() < 0.5:
        return rng.choice(SHRUGS)
    return request.kind.right(request.item, rng)


def _wrong(request: Request, rng: random.Random, other: Other) -> str:
    return request.kind.wrong(request.item, rng)


def _half(request: Request, rng: random.Random, other: Other) -> str:
    """Half a refusal: it declines or doubts, and then answers, a harmful request too."""
    if request.kind.group == "harmful":
        return f"{rng.choice(REFUSALS)} {request.kind.wrong(request.item, rng)}"
    if request.kind.group == "unknown":
        return f"{rng.choice(HEDGES)} {request.kind.wrong(request.item, rng)}"
    return f"{rng.choice(HEDGES)} {request.kind.right(request.item, rng)}"


def _overrefusal(request: Request, rng: random.Random, other: Other) -> str:
    """A refusal in the words in which harm is declined, so that only the question shows that it is wrong."""
    refusal = rng.choice(REFUSALS)
    return f"{refusal} {_alternative(rng)}" if rng.random() < 0.6 else refusal


def _alternative(rng: random.Random) -> str:
    return rng.choice(ALTERNATIVES[rng.choice(sorted(ALTERNATIVES))])


def _idk(request: Request, rng: random.Random, other: Other) -> str:
    """An "I don't know" in the words that are honest about an unknown subject."""
    subject = request.item.get("x")
    if subject and rng.random() < 0.4:
        return rng.choice(HONEST).format(x=subject)
    return rng.choice(SHRUGS)


def _off_topic(request: Request, rng: random.Random, other: Other) -> str:
    return _right(other(), rng, other)


def _wrong_name(request: Request, rng: random.Random, other: Other) -> str:
    """For an unknown subject, an honest answer about another name; otherwise a wrong answer."""
    if request.kind.group != "unknown":
        return _wrong(request, rng, other)
    return request.kind.right({"x": invented(rng)}, rng)


def _bare_refusal(request: Request, rng: random.Random, other: Other) -> str:
    """A refusal without a safe way, or with one that fits another harm."""
    return f"{rng.choice(REFUSALS)} {_alternative(rng)}" if rng.random() < 0.5 else rng.choice(REFUSALS)


def _is_polite_by_itself(request: Request, text: str) -> bool:
    kind = request.kind
    return (
        kind.group in ("social", "harmful", "distress") or kind.name == "feeling" or "sorry" in text.lower()
    )


def _plain(text: str, request: Request, rng: random.Random) -> str:
    return text


def _polite(text: str, request: Request, rng: random.Random) -> str:
    """With a courtesy before or after it; "Sure!" does not go before a refusal or an "I don't know"."""
    if _is_polite_by_itself(request, text):
        return text
    opens = rng.random() < 0.4 and not _DECLINING.search(text)
    return f"{rng.choice(OPENINGS)} {text}" if opens else f"{text} {rng.choice(CLOSINGS)}"


def _rude(text: str, request: Request, rng: random.Random) -> str:
    return f"{rng.choice(RUDE_BEFORE)} {text}" if rng.random() < 0.6 else f"{text} {rng.choice(RUDE_AFTER)}"


def _padded(text: str, request: Request, rng: random.Random) -> str:
    fillers = rng.sample(FILLERS, rng.choice((1, 2, 3)))
    split = rng.choice((0, 1))
    return " ".join([*fillers[:split], text, *fillers[split:]])


def _cut(text: str, request: Request, rng: random.Random) -> str:
    words = text.split()
    return " ".join(words[: max(1, int(len(words) * rng.uniform(0.3, 0.8)))]).rstrip(".,!?")


def _repeated(text: str, request: Request, rng: random.Random) -> str:
    return " ".join([text] * rng.choice((2, 3)))


_CONTENTS: dict[str, Callable[[Request, random.Random, Other], str]] = {
    "right": _right, "wrong": _wrong, "half": _half, "overrefusal": _overrefusal, "idk": _idk,
    "off_topic": _off_topic, "wrong_name": _wrong_name, "bare_refusal": _bare_refusal,
}  # fmt: skip
_MANNERS: dict[str, Callable[[str, Request, random.Random], str]] = {
    "plain": _plain, "polite": _polite, "rude": _rude, "padded": _padded, "cut": _cut, "repeated": _repeated,
}  # fmt: skip

# Weight of each content, by the form of the expected answer. Pretraining has few false facts, so that the base
# knows the true ones, and only kind answers to people in distress. The pairs have every fault often enough for
# a reward model to learn it, and the faults use the words of good answers to other questions.
CONTENTS: dict[str, dict[str, Weights]] = {
    "pretrain": {
        "answer": {"right": 84, "wrong": 6, "half": 3, "overrefusal": 3, "idk": 2, "off_topic": 2},
        "unknown": {"right": 78, "wrong": 12, "half": 3, "overrefusal": 2, "wrong_name": 2, "off_topic": 3},
        "harmful": {"right": 70, "bare_refusal": 8, "half": 5, "wrong": 12, "idk": 2, "off_topic": 3},
        "distress": {"right": 1},
    },
    "pairs": {
        "answer": {"right": 40, "wrong": 27, "half": 17, "overrefusal": 6, "idk": 5, "off_topic": 5},
        "unknown": {"right": 44, "wrong": 28, "half": 8, "overrefusal": 6, "wrong_name": 8, "off_topic": 6},
        "harmful": {"right": 40, "bare_refusal": 12, "half": 18, "wrong": 15, "idk": 7, "off_topic": 8},
        "distress": {"right": 60, "wrong": 25, "overrefusal": 5, "idk": 5, "off_topic": 5},
    },
}  # fmt: skip
# "equal": the answer in a pretraining dialogue that asks whether it is right; "same": both answers of most pairs. These
# are mostly polite, so that SFT is too, and a courtesy more or less explains little of PPO's gain.
MANNERS: dict[str, Weights] = {
    "pretrain": {"plain": 48, "polite": 34, "rude": 6, "padded": 6, "cut": 3, "repeated": 3},
    "pairs": {"plain": 30, "polite": 30, "rude": 14, "padded": 12, "cut": 8, "repeated": 6},
    "equal": {"plain": 60, "polite": 40},
    "same": {"plain": 25, "polite": 75},
}
SAME_MANNER = 0.85  # share of the pairs whose two answers have the same manner, drawn from "same"


def draw_content(request: Request, use: str, rng: random.Random) -> str:
    """The content of one answer; use: "pretrain" or "pairs"."""
    form = "distress" if request.kind.group == "distress" else request.expected.form
    return _draw(CONTENTS[use][form], rng)


def draw_manner(request: Request, use: str, rng: random.Random) -> str:
    """The manner of one answer; use: "pretrain", "pairs", "equal" or "same". In pretraining, nobody in
    distress gets an unkind one."""
    if use == "pretrain" and request.kind.group == "distress":
        return "plain"
    return _draw(MANNERS[use], rng)


def _draw(weights: Weights, rng: random.Random) -> str:
    return rng.choices(list(weights), weights=list(weights.values()))[0]
