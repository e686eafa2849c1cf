"""Names and subjects unknown to the tiny world, for questions whose honest answer is "I don't know".

Invented names are built from syllables; topics are ordinary English ones. A fixed share of both is
*reserved*: it never occurs in pretraining or in the train and validation splits, so that honesty is tested on
unseen subjects.
"""

from __future__ import annotations

import random
from functools import cache
from hashlib import sha256

from data.world import entities as e
from data.world.request import capital

RESERVED_SHARE = 8  # one name in eight


def is_reserved(name: str) -> bool:
    """Whether a name is reserved for the test split. Its hash decides, so no list of names is needed."""
    return sha256(name.lower().encode()).digest()[0] % RESERVED_SHARE == 0


def invented(rng: random.Random, reserved: bool = False) -> str:
    """A name such as "Belora Quinard" or "Tavelsk"."""
    while True:
        parts = [_word(rng) for _ in range(rng.choice((1, 1, 2)))]
        name = " ".join(parts)
        if is_reserved(name) == reserved:
            return name


def _word(rng: random.Random) -> str:
    return capital(
        "".join(rng.choice(e.SYLLABLES) for _ in range(rng.choice((2, 2, 3))))
        + rng.choice(("", "", rng.choice(e.ENDINGS)))
    )


def subject(rng: random.Random, reserved: bool = False) -> str:
    """An unknown subject: an invented name, or an ordinary topic outside the world."""
    if rng.random() < 0.6:
        return invented(rng, reserved)
    return rng.choice(_topics(reserved))


@cache
def _topics(reserved: bool) -> tuple[str, ...]:
    return tuple(topic for topic in e.TOPICS if is_reserved(topic) == reserved)


def stray(rng: random.Random) -> str:
    """A text that is not a request: a single word, a few unrelated words, letters."""
    draw = rng.random()
    if draw < 0.3:
        return subject(rng)
    if draw < 0.5:
        return rng.choice(
            (
                "ok",
                "yes",
                "no",
                "hmm",
                "why?",
                "lol",
                "really?",
                "I see.",
                "so what",
                "go on",
                "test",
                "?",
                "what",
                "nothing",
            )
        )
    if draw < 0.6:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 9)))
    pools = (e.TOPICS, e.PRESENTS, e.PEOPLE, tuple(e.OPPOSITES), tuple(e.PAST_TENSES), tuple(e.COLOURS))
    return " ".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(2, 5)))
