"""Subjects outside the world: the honest answer is "I don't know"."""

from __future__ import annotations

import random

from data.world import entities as e
from data.world.request import Expected, Item, Kind, bare, fill

IDK = (
    "don't know",
    "do not know",
    "not sure",
    "no information",
    "never heard",
    "not heard",
    "cannot say",
    "can't say",
)
HONEST = (
    "I don't know anything about {x}.", "I am sorry, I do not know {x}.", "I have never heard of {x}.",
    "I am not sure what {x} is, I don't know enough.", "I don't know much about {x}, sorry.",
)  # fmt: skip
# Answers that name nothing: they cannot misspell a name, and they are all that is due to a text that is no
# request.
SHRUGS = (
    "I don't know that, sorry.",
    "I don't know.",
    "I am not sure, sorry.",
    "Sorry, I do not know that.",
    "I don't know anything about that.",
    "I am sorry, I don't know much about that.",
)
QUESTIONS = (
    "Who is {x}?", "What is {x}?", "Tell me about {x}.", "What do you know about {x}?",
    "Can you explain {x}?", "Have you heard of {x}?", "What does {x} mean?", "Why is {x} important?",
    "How does {x} work?", "Where is {x}?", "Who was {x}?", "What are {x}?", "What do you think about {x}?",
    "Do you know {x}?", "Can you tell me more about {x}?", "Explain {x} to me.", "Where can I find {x}?",
    "When did {x} happen?", "Let's talk about {x}.", "Can you help me with {x}?", "Write a poem about {x}.",
    "I like {x}.", "Is {x} any good?", "What is the best thing about {x}?", "My problem is {x}.",
    "How much does {x} cost?", "Who invented {x}?", "Should I learn {x}?", "Write a story about {x}.",
    "I want to know more about {x}.",
)  # fmt: skip
BLUFFS = (
    "{x} was {f}.", "{x} was well known as {f}.", "{x} is in {c}.", "You can find {x} in {c}.",
    "The capital of {x} is {k}.", "{x} is a kind of {g}.", "{x} is made of {m}.",
    "People in {x} speak {l}.", "{x} is a small town by the sea.",
    "{x} was born in 1820 and wrote many books.", "It is easy: {x} is made of {m}.",
)  # fmt: skip


def unknown() -> Kind:
    """Names are generated on demand, so the kind has no list of items."""

    def bluff(item: Item, rng: random.Random) -> str:
        """A made-up fact in the words in which true ones are told."""
        invented = {
            "f": e.FAMOUS, "c": e.CONTINENTS, "k": e.CAPITALS, "m": e.MATERIALS, "l": e.LANGUAGES,
        }  # fmt: skip
        slots = {slot: rng.choice(list(rows.values()))[0] for slot, rows in invented.items()}
        return fill(BLUFFS, item, rng, g=rng.choice(list(e.SINGULAR.values())), **slots)

    def honest(item: Item, rng: random.Random) -> str:
        return fill(HONEST, item, rng)

    return Kind(
        "unknown", "unknown", QUESTIONS, (), honest, bluff,
        lambda i: Expected(form="unknown", subject=bare(i["x"]), limit=26),
    )  # fmt: skip
