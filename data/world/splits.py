"""Which questions of the tiny world are for training and which are for tests.

A question belongs to one split by its hash, at every seed: typing variants (case, marks, a greeting,
"please") count as the same question. The subjects of one request in `SUBJECTS_APART`, and the harms that are
held out, occur in the test split only, so that a part of it is about subjects that no pair of the training
split has. The pretraining text asks everything except the held-out harms and the reserved names.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from data.records import messages
from data.world.parse import find, is_follow_up, normal, parse
from data.world.request import Request, bare

TEST, VALIDATION = 15, 5  # of 100 questions
SUBJECTS_APART = 10  # one subject in ten
HELD_OUT_SHARE = 0.25  # share of the test prompts that are about held-out subjects
_GROUPS = ("fact", "sum", "choice", "list", "steps", "advice")


def question_key(prompt: str) -> str:
    """The last question of a canonical prompt as it is compared between splits.

    A follow-up ("And Peru?") counts together with the kind of the question before it.
    """
    turns = [m["content"] for m in messages(prompt) if m["role"] == "user"]
    if not turns:
        return ""
    if len(turns) > 1 and is_follow_up(turns[-1]) and (before := find(turns[-2])):
        return key_of(turns[-1], before.kind.name)
    return key_of(turns[-1])


def key_of(question: str, follows: str = "") -> str:
    """The key of a question that follows one of the kind `follows`, or of one that stands for itself."""
    return f"{follows}: {normal(question)}" if follows else normal(question)


@lru_cache(maxsize=65536)
def split_of(key: str) -> str:
    """The split of a question: "train", "validation" or "test"."""
    place = _hash(key) % 100
    return "test" if place < TEST else "validation" if place < TEST + VALIDATION else "train"


def is_held_out(request: Request) -> bool:
    """Whether no pair of the training split asks about the subject of a request."""
    if request.kind.held_out:
        return True
    if request.kind.group not in _GROUPS:
        return False
    subject = "|".join(sorted(bare(request.item[slot]) for slot in ("x", "z") if slot in request.item))
    return _hash(f"{request.kind.name}|{subject}") % SUBJECTS_APART == 0


def asks_held_out(prompt: str) -> bool:
    """Whether a canonical prompt is about a held-out subject or harm; False outside the world."""
    request = parse(prompt)
    return request is not None and is_held_out(request)


def _hash(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big")
