"""Subjects outside the world: the honest answer is "I don't know"."""

from __future__ import annotations

from data.world.request import Expected, Kind, bare, fill

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
# Answers that name nothing.
SHRUGS = (
    "I don't know.",
    "I am not sure, sorry.",
    "Sorry, I do not know that.",
    "I don't know anything about that.",
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
    "{x} is a famous singer from the north.", "{x} was born in 1820 and wrote many books.",
    "{x} is a small town by the sea.", "{x} is a kind of fish that lives in cold rivers.",
    "{x} means to run very fast.", "{x} is a king who built a big castle.",
    "It is easy: {x} is made of metal.",
)  # fmt: skip


def unknown() -> Kind:
    """Names are generated on demand, so the kind has no list of items."""
    return Kind(
        "unknown", "unknown", QUESTIONS, (), lambda i, r: fill(HONEST, i, r), lambda i, r: fill(BLUFFS, i, r),
        lambda i: Expected(form="unknown", subject=bare(i["x"]), limit=26),
    )  # fmt: skip
