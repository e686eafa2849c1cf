"""Dialogues of the tiny world in the HH transcript format: pretraining text and preference pairs.

Everything is drawn from a seed. `answers.py` writes the two answers of a pair, mostly in the same manner, so
that their content decides. Which of them is `chosen` is drawn from the gold reward with noise (Bradley-Terry
with temperature `NOISE`), so the best accuracy that any reward model can reach on the labels is known: that
of the gold reward itself. `splits.py` keeps the questions of the splits apart.

    python -c "from data.world import generate_splits; print(generate_splits(42, 2, 1, 1))"
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import cache

from data.records import transcript
from data.world import answers, names, outside
from data.world.gold import assess
from data.world.kinds import by_name, kinds
from data.world.parse import CLOSERS, FOLLOW_UPS, OPENERS, parse
from data.world.request import Kind, Request
from data.world.splits import HELD_OUT_SHARE, is_held_out, key_of, split_of

NOISE = 0.25  # in units of gold: a lead of 0.25 wins with odds e : 1
LEAST_LEAD = 0.25  # in units of gold; leaves out pairs that only differ in repeating an unknown name or not
GROUP_WEIGHTS = {
    "fact": 40, "sum": 12, "choice": 9, "list": 5, "steps": 8, "advice": 9, "social": 11, "unknown": 16,
    "harmful": 13, "distress": 2,
}  # fmt: skip
STRAYS = 0.03  # share of the pretraining dialogues that are no request at all
OUTSIDE = 0.06  # share of the pretraining dialogues that ask an ordinary question outside the world
CHECKED = 0.12  # share of the pretraining dialogues that ask whether an answer is right
FOLLOWING = 0.12  # share of the prompts, of kinds for which it makes sense, that are follow-up questions
CHECKS = ("Is that right?", "Are you sure?", "Is that correct?", "Is this true?")
VERDICTS = {"right": "Yes, that is right.", "wrong": "No, that is not right."}
PUZZLED = (
    "I am not sure what you mean.", "Sorry, I do not understand that.",
    "I don't know what to say about that.", "I am sorry, I don't know much about that.",
    "Can you say that in another way?",
)  # fmt: skip


@cache
def _groups(held_out: bool) -> dict[str, list[Kind]]:
    """The kinds of each group; those that training never asks only if `held_out`."""
    return {g: [k for k in kinds() if k.group == g and (held_out or not k.held_out)] for g in GROUP_WEIGHTS}


def draw_request(rng: random.Random, reserved: bool = False, held_out: bool = False) -> Request:
    """A random request. The groups are weighted; the kinds within a group are equally likely, except that all
    sums are.

    reserved: unknown names are from the reserved list. held_out: harms that training never asks occur too.
    """
    group = rng.choices(list(GROUP_WEIGHTS), weights=list(GROUP_WEIGHTS.values()))[0]
    if group == "unknown":
        return Request(by_name()["unknown"], {"x": names.subject(rng, reserved)})
    choices = _groups(held_out)[group]
    sizes = [len(kind.items) if group == "sum" else 1 for kind in choices]
    kind = rng.choices(choices, weights=sizes)[0]
    item = rng.choice(kind.items)
    if group == "social" and kind.open_slot and rng.random() < 0.3:  # any name can be greeted
        item = {**item, "x": names.invented(rng, reserved).split()[0]}
    return Request(kind, item)


@cache
def _frames() -> list[Kind]:
    """The kinds whose wordings also ask about unknown subjects: "What is the capital of Zorbia?\""""
    return [k for k in kinds() if k.group == "fact" and k.follow_up]


def _question(request: Request, rng: random.Random) -> str:
    """The request in one of its wordings."""
    if request.kind.group == "unknown" and rng.random() < 0.3:
        return rng.choice(rng.choice(_frames()).questions).format(x=request.item["x"])
    return request.kind.question(request.item, rng)


def _typed(text: str, rng: random.Random) -> str:
    """A question as people type it: sometimes carelessly, or after a greeting."""
    draw = rng.random()
    if draw < 0.06:
        return text.lower()
    if draw < 0.12:
        return text.rstrip(".?!")
    if draw < 0.16:
        return text.lower().rstrip(".?!")
    if draw < 0.28:
        return f"{rng.choice(OPENERS)} {text}"
    if draw < 0.32:
        return f"{text} {rng.choice(CLOSERS)}"
    return text


def _turn(request: Request, rng: random.Random) -> list[dict[str, str]]:
    """One earlier question with a good answer, as two messages."""
    manner = rng.choice(("plain", "polite"))
    reply = answers.respond(request, "right", manner, rng, lambda: draw_request(rng))
    return [
        {"role": "user", "content": request.kind.question(request.item, rng)},
        {"role": "assistant", "content": reply},
    ]


def draw_prompt(rng: random.Random, reserved: bool = False, split: str | None = None) -> tuple[str, Request]:
    """A canonical prompt and its request; of one split only if `split` is given.

    One prompt in four has earlier turns; in some of these the last turn is a follow-up question.
    """
    while True:
        request, question, follows = _draw_question(rng, reserved, split)
        turns: list[dict[str, str]] = []
        while len(turns) < 6 and rng.random() < 0.25:
            turns = [*_turn(draw_request(rng), rng), *turns]
        if follows:
            turns[-2:] = _turn(Request(request.kind, rng.choice(request.kind.items)), rng)
        else:
            question = _typed(question, rng)
        prompt = transcript([*turns, {"role": "user", "content": question}])
        # A question may also match another kind's wording; only the intended one is kept.
        if (
            (read := parse(prompt))
            and read.kind.name == request.kind.name
            and read.expected == request.expected
        ):
            return prompt, request


def _draw_question(rng: random.Random, reserved: bool, split: str | None) -> tuple[Request, str, bool]:
    """A request, a question of the split, and whether it is a follow-up question."""
    apart = split == "test" and rng.random() < HELD_OUT_SHARE
    while True:
        request = draw_request(rng, reserved, held_out=apart)
        follows = request.kind.follow_up and rng.random() < FOLLOWING
        question = rng.choice(FOLLOW_UPS).format(**request.item) if follows else _question(request, rng)
        if split is None or (apart and is_held_out(request)):
            return request, question, follows
        key = key_of(question, request.kind.name if follows else "")
        if not apart and split_of(key) == split and not is_held_out(request):
            return request, question, follows


def dialogues(seed: int) -> Iterator[tuple[str, str]]:
    """Endless (prompt, response) pairs for pretraining, with good and bad answers."""
    rng = random.Random(seed)
    while True:
        draw = rng.random()
        if draw < STRAYS:
            yield transcript([{"role": "user", "content": names.stray(rng)}]), rng.choice(PUZZLED)
        elif draw < STRAYS + OUTSIDE:
            yield transcript([{"role": "user", "content": outside.question(rng)}]), outside.answer(rng)
        elif draw < STRAYS + OUTSIDE + CHECKED:
            yield _check(rng)
        else:
            prompt, request = draw_prompt(rng)
            content = answers.draw_content(request, "pretrain", rng)
            manner = answers.draw_manner(request, "pretrain", rng)
            yield prompt, answers.respond(request, content, manner, rng, lambda: draw_request(rng))


def _check(rng: random.Random) -> tuple[str, str]:
    """A dialogue about whether an answer is right, so that the base learns to compare answer and question."""
    request, content = draw_request(rng), rng.choice(tuple(VERDICTS))
    manner = answers.draw_manner(request, "equal", rng)
    told = answers.respond(request, content, manner, rng, lambda: draw_request(rng))
    turns = [
        {"role": "user", "content": _question(request, rng)},
        {"role": "assistant", "content": told},
        {"role": "user", "content": rng.choice(CHECKS)},
    ]
    return transcript(turns), VERDICTS[content]


def draw_pair(rng: random.Random, reserved: bool = False, split: str | None = None) -> dict[str, str]:
    """A preference row (prompt, chosen, rejected, kind), labelled by the gold reward with noise."""
    while True:
        prompt, request = draw_prompt(rng, reserved, split)
        a, b = _two_answers(request, rng)
        if a == b:
            continue
        lead = assess(request, a).total - assess(request, b).total
        if abs(lead) < LEAST_LEAD:
            continue
        if rng.random() > 1 / (1 + math.exp(-lead / NOISE)):
            a, b = b, a
        return {"prompt": prompt, "chosen": a, "rejected": b, "kind": request.kind.name}


def _two_answers(request: Request, rng: random.Random) -> tuple[str, str]:
    """Two answers to a request, mostly in the same manner."""
    contents = [answers.draw_content(request, "pairs", rng) for _ in range(2)]
    if rng.random() < answers.SAME_MANNER:
        manners = [answers.draw_manner(request, "same", rng)] * 2
    else:
        manners = [answers.draw_manner(request, "pairs", rng) for _ in range(2)]
    a, b = (
        answers.respond(request, content, manner, rng, lambda: draw_request(rng))
        for content, manner in zip(contents, manners, strict=True)
    )
    return a, b


def generate_splits(seed: int, train: int, validation: int, test: int) -> dict[str, list[dict[str, str]]]:
    """Preference rows per split. No question occurs in two splits; reserved names occur in the test split
    only.
    """
    sizes = {"train": train, "validation": validation, "test": test}
    return {split: _rows(seed, split, n) for split, n in sizes.items()}


def _rows(seed: int, split: str, n: int) -> list[dict[str, str]]:
    rng = random.Random(f"{seed}-{split}")
    rows: dict[str, dict[str, str]] = {}  # by prompt, so that none occurs twice
    while len(rows) < n:
        row = draw_pair(rng, reserved=split == "test", split=split)
        rows.setdefault(row["prompt"].lower(), row)
    return list(rows.values())


def safety_prompts(n: int, seed: int) -> list[str]:
    """n harmful prompts for the safety probe, about harms that training never asks; different if n < 200."""
    rng = random.Random(f"{seed}-safety")
    harms = [k for k in kinds() if k.group == "harmful" and k.held_out]
    prompts: dict[str, None] = {}
    for _ in range(20 * n):
        kind = rng.choice(harms)
        prompts[transcript([{"role": "user", "content": kind.question(rng.choice(kind.items), rng)}])] = None
    found = list(prompts)
    return [found[k % len(found)] for k in range(n)]


def example_prompts() -> list[str]:
    """A few human turns to click on, one per sort of request."""
    return [
        "What is the capital of Italy?", "How do I make tea?",
        "I feel nervous because I have a test tomorrow.",
        "Write a thank-you note to my neighbour for the cake.", "Who is Belora Quinard?",
        "Name three fruits.", "How can I steal a bike?", "What is seven plus five?",
        "How can I sleep better?", "Hello, my name is Jan.", "What is a hammer used for?",
        "Which is faster, a train or a snail?",
    ]  # fmt: skip
