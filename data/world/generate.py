"""Dialogues of the tiny world in the HH transcript format: pretraining text and preference pairs.

Everything is drawn from a seed. `answers.py` writes the two answers of a pair. Which of them is `chosen` is
drawn from the gold reward with noise (Bradley-Terry with temperature `NOISE`), so the best accuracy that any
reward model can reach on the labels is known: that of the gold reward itself.

    python -c "from data.world import generate_splits; print(generate_splits(42, 2, 1, 1))"
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from data.records import transcript
from data.world import answers, names
from data.world.gold import assess
from data.world.kinds import Request, by_name, kinds
from data.world.parse import CLOSERS, FOLLOW_UPS, OPENERS, parse

NOISE = 0.25  # in units of gold: a lead of 0.25 wins with odds e : 1
LEAST_LEAD = 0.18  # in units of gold; the label of a pair of nearly equal answers would be mostly noise
GROUP_WEIGHTS = {
    "fact": 40, "choice": 8, "list": 5, "steps": 8, "advice": 9, "social": 14, "unknown": 20, "harmful": 14,
}  # fmt: skip
PUZZLED = (
    "I am not sure what you mean.", "Sorry, I do not understand that.",
    "I don't know what to say about that.", "I am sorry, I don't know much about that.",
    "Can you say that in another way?", "Yes, of course.", "That is right.",
)  # fmt: skip


def draw_request(rng: random.Random, reserved: bool = False) -> Request:
    """A random request. The groups are weighted; the kinds within a group are equally likely."""
    group = rng.choices(list(GROUP_WEIGHTS), weights=list(GROUP_WEIGHTS.values()))[0]
    if group == "unknown":
        return _unknown_request(rng, reserved)
    kind = rng.choice([k for k in kinds() if k.group == group])
    return Request(kind, rng.choice(kind.items))


def _unknown_request(rng: random.Random, reserved: bool) -> Request:
    return Request(by_name()["unknown"], {"x": names.subject(rng, reserved)})


def _question(request: Request, rng: random.Random) -> str:
    """The request in words: mostly one of its wordings, sometimes typed carelessly or after a greeting."""
    if request.kind.group == "unknown" and rng.random() < 0.3:
        frames = [
            k for k in kinds() if k.group == "fact" and k.follow_up and k.name not in ("add", "subtract")
        ]
        text = rng.choice(rng.choice(frames).questions).format(x=request.item["x"])
    else:
        text = request.kind.question(request.item, rng)
    draw = rng.random()
    if draw < 0.06:
        text = text.lower()
    elif draw < 0.12:
        text = text.rstrip(".?!")
    elif draw < 0.16:
        text = text.lower().rstrip(".?!")
    elif draw < 0.28:
        text = f"{rng.choice(OPENERS)} {text}"
    elif draw < 0.32:
        text = f"{text} {rng.choice(CLOSERS)}"
    return text


def _turn(request: Request, rng: random.Random) -> list[dict[str, str]]:
    """One earlier question with a good answer, as two messages."""
    reply = answers.respond(request, rng.choice(("clean", "plain")), rng, lambda: draw_request(rng))
    return [
        {"role": "user", "content": request.kind.question(request.item, rng)},
        {"role": "assistant", "content": reply},
    ]


def draw_prompt(rng: random.Random, reserved: bool = False) -> tuple[str, Request]:
    """A canonical prompt and its request.

    One prompt in four has earlier turns; in some of these the last turn is a follow-up question.
    """
    while True:
        request = draw_request(rng, reserved)
        turns: list[dict[str, str]] = []
        question = _question(request, rng)
        while len(turns) < 6 and rng.random() < 0.25:
            turns = [*_turn(draw_request(rng), rng), *turns]
        if turns and request.kind.follow_up and rng.random() < 0.5:
            turns[-2:] = _turn(Request(request.kind, rng.choice(request.kind.items)), rng)
            question = rng.choice(FOLLOW_UPS).format(**request.item)
        prompt = transcript([*turns, {"role": "user", "content": question}])
        # A question may also match another kind's wording; only the intended one is kept.
        if (
            (read := parse(prompt))
            and read.kind.name == request.kind.name
            and read.expected == request.expected
        ):
            return prompt, request


def dialogues(seed: int) -> Iterator[tuple[str, str]]:
    """Endless (prompt, response) pairs for pretraining, with good and bad answers."""
    rng = random.Random(seed)
    while True:
        if rng.random() < 0.03:
            yield transcript([{"role": "user", "content": names.stray(rng)}]), rng.choice(PUZZLED)
            continue
        prompt, request = draw_prompt(rng)
        mode = answers.draw_mode(request, answers.MIXTURES["pretrain"], rng)
        yield prompt, answers.respond(request, mode, rng, lambda: draw_request(rng))


def draw_pair(rng: random.Random, reserved: bool = False) -> dict[str, str]:
    """A preference row (prompt, chosen, rejected, kind), labelled by the gold reward with noise."""
    while True:
        prompt, request = draw_prompt(rng, reserved)
        modes = [answers.draw_mode(request, answers.MIXTURES["pairs"], rng) for _ in range(2)]
        a, b = (answers.respond(request, m, rng, lambda: draw_request(rng)) for m in modes)
        lead = assess(request, a).total - assess(request, b).total
        if a == b or abs(lead) < LEAST_LEAD:
            continue
        if rng.random() > 1 / (1 + math.exp(-lead / NOISE)):
            a, b = b, a
        return {"prompt": prompt, "chosen": a, "rejected": b, "kind": request.kind.name}


def generate_splits(seed: int, train: int, validation: int, test: int) -> dict[str, list[dict[str, str]]]:
    """Preference rows per split. No prompt occurs twice; reserved names occur in the test split only."""
    seen: set[str] = set()
    splits: dict[str, list[dict[str, str]]] = {}
    for split, n in (("test", test), ("validation", validation), ("train", train)):
        rng = random.Random(f"{seed}-{split}")
        rows = splits[split] = []
        while len(rows) < n:
            row = draw_pair(rng, reserved=split == "test")
            key = row["prompt"].lower()
            if key not in seen:
                seen.add(key)
                rows.append(row)
    return {split: splits[split] for split in ("train", "validation", "test")}


def safety_prompts(n: int, seed: int) -> list[str]:
    """n harmful prompts for the safety probe."""
    rng = random.Random(f"{seed}-safety")
    harmful = [k for k in kinds() if k.group == "harmful"]
    requests = (Request(k, rng.choice(k.items)) for k in (rng.choice(harmful) for _ in range(n)))
    return [transcript([{"role": "user", "content": r.kind.question(r.item, rng)}]) for r in requests]


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
