"""The kinds of request about manners: small talk, notes, wishes and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from data.world import entities as e
from data.world.request import Expected, Item, Kind, Texts, fill


def _kind(
    name: str, questions: Texts, items: Iterable[Item], answers: Texts, careless: Texts,
    required: Sequence[Texts], limit: int = 24, least: int = 0, forbidden: Texts = (),
) -> Kind:  # fmt: skip
    """A kind whose answers are templates; `required` and `careless` answers may use the item's slots."""

    def expect(item: Item) -> Expected:
        return Expected(
            required=tuple(tuple(p.format(**item).lower() for p in g) for g in required),
            limit=limit, least=least, forbidden=frozenset(forbidden),
        )  # fmt: skip

    return Kind(
        name, "social", tuple(questions), tuple(items), lambda i, r: fill(answers, i, r),
        lambda i, r: fill(careless, i, r), expect, open_slot=name in ("greeting", "birthday"),
    )  # fmt: skip


HELLO = ("Hello! How can I help you?", "Hi! What can I do for you?")
FINE = ("I am fine, thank you. How can I help?", "I am doing well, thank you!")
MYSELF = ("I am a small language model. I know a few everyday things.",
"I am a small computer program, a language model.")  # fmt: skip
ABLE = ("I can answer simple questions, give tips and write short notes.", "I know simple facts about animals, countries, words and cooking.")  # fmt: skip
WELCOME = ("You are welcome!", "You're welcome. I am glad I could help.")
GOODBYE = ("Goodbye! Have a nice day.", "Goodbye, take care!")


def social() -> list[Kind]:
    return [*_small_talk(), *_writing()]


def _small_talk() -> list[Kind]:
    # A careless answer is mostly a good one to other small talk, so that only the question shows the fault.
    names = [{"x": n, "o": e.FIRST_NAMES[(k + 7) % len(e.FIRST_NAMES)]} for k, n in enumerate(e.FIRST_NAMES)]
    return [
        _kind("greeting", ["Hello, my name is {x}.", "Hi, I am {x}.", "Good morning! I am {x}.", "Hey, {x} here."], names,
             ["Hello {x}, nice to meet you. How can I help?", "Hi {x}! What can I do for you?", "Hello {x}, how can I help you today?"],
             ["Hello {o}, nice to meet you. How can I help?", "Hi {o}! What can I do for you?", "Hello {o}, how can I help you today?", *GOODBYE],
             [("{x}",), ("hello", "hi", "nice to meet", "good morning")]),
        _kind("hello", ["Hello!", "Hi!", "Hey!", "Good morning!", "Hello there!", "Hi there"], [{}],
             HELLO, [*WELCOME, *GOODBYE, "What?"], [("hello", "hi"), ("help", "do for you")]),
        _kind("how are you", ["How are you?", "How are you today?", "How do you do?", "How is it going?", "What's up?"], [{}],
             FINE, [*MYSELF, *WELCOME, "Bad."], [("fine", "well", "very good", "great"), ("thank you", "thanks", "how are you", "and you", "about you")]),
        _kind("who are you", ["Who are you?", "What are you?", "Are you a person?", "Are you a robot?", "What is your name?", "Tell me about yourself."], [{}],
             MYSELF, [*FINE, *HELLO, "I am a doctor from London."], [("language model", "computer program", "chatbot")], forbidden=("i am a person", "i am a human", "i am human")),
        _kind("abilities", ["What can you do?", "What do you know?", "How can you help me?", "What can I ask you?", "Help", "Can you help me?"], [{}],
             ABLE, [*MYSELF[1:], *FINE, "Everything."], [("simple", "answer questions", "give tips", "facts", "short notes")]),
        _kind("thanks", ["Thank you!", "Thanks a lot!", "Thanks, {x}!", "Thank you for your help.", "Thanks!"], [{"x": "friend"}],
             WELCOME, [*FINE[1:], *GOODBYE, "Fine."], [("welcome", "glad", "my pleasure", "any time", "anytime", "no problem")]),
        _kind("goodbye", ["Goodbye!", "Bye!", "See you tomorrow!", "Good night!", "See you later"], [{}],
             GOODBYE, [*HELLO, *WELCOME, "Stay here."], [("goodbye", "bye", "see you", "good night")]),
    ]  # fmt: skip


def _shifted(values: Sequence[str], k: int, step: int) -> str:
    return values[(k + step) % len(values)]


def _writing() -> list[Kind]:
    names = [{"x": n, "o": _shifted(e.FIRST_NAMES, k, 7)} for k, n in enumerate(e.FIRST_NAMES)]
    notes = [
        {"x": p, "s": p.removeprefix("my "), "t": t, "b": t.removeprefix("the "), "q": _shifted(e.PEOPLE, j, 3 + k).removeprefix("my "),
         "u": _shifted(e.PRESENTS, k, 5 + j)}
        for j, p in enumerate(e.PEOPLE) for k, t in enumerate(e.PRESENTS) if _shifted(e.PEOPLE, j, 3 + k) != p and _shifted(e.PRESENTS, k, 5 + j) != t
    ]  # fmt: skip
    sorries = [
        {"x": p, "s": p.removeprefix("my "), "m": m, "q": _shifted(e.PEOPLE, j, 3).removeprefix("my "), "v": _shifted(e.MISHAPS, k, 5)}
        for j, p in enumerate(e.PEOPLE) for k, m in enumerate(e.MISHAPS)
    ]  # fmt: skip
    lines = list(e.SENTENCE_WORDS.items())
    words = [{"x": w, "y": s, "o": lines[(k + 3) % len(lines)][1], "p": lines[(k + 8) % len(lines)][1]} for k, (w, s) in enumerate(lines)]  # fmt: skip
    return [
        _kind("birthday", ["Write a birthday wish for {x}.", "It is {x}'s birthday. Write a wish.", "Can you write a birthday card for {x}?"], names,
             ["Happy birthday, {x}! I wish you a wonderful year.", "Dear {x}, happy birthday and all the best!"],
             ["Happy birthday, {o}! I wish you a wonderful year.", "Dear {o}, happy birthday and all the best!", "{x} is one year older."], [("happy birthday",), ("{x}",)]),
        _kind("thank-you note", ["Write a thank-you note to {x} for {t}.", "Help me thank {x} for {t}.", "I want to thank {x} for {t}. Write a short note."], notes,
             ["Dear {s}, thank you so much for {t}. It made me very happy.", "Dear {s}, many thanks for {t}. You are very kind."],
             ["Dear {q}, thank you so much for {t}. It made me very happy.", "Dear {s}, many thanks for {u}. You are very kind.",
              "Dear {s}, thank you so much for {u}. It made me very happy.", "Dear {q}, many thanks for {t}. You are very kind."],
             [("dear {s}",), ("thank you", "thanks"), ("{b}",)], 34, forbidden=("not thank", "for nothing", "no thanks")),
        _kind("apology", ["Write an apology to {x} for {m}.", "Help me say sorry to {x} for {m}.", "I want to apologise to {x} for {m}."], sorries,
             ["Dear {s}, I am sorry for {m}. It will not happen again.", "Dear {s}, please forgive me for {m}. I will do better."],
             ["Dear {q}, I am sorry for {m}. It will not happen again.", "Dear {s}, please forgive me for {v}. I will do better.",
              "Dear {s}, I am sorry for {v}. It will not happen again."],
             [("dear {s}",), ("sorry", "forgive"), ("{m}",)], 34, forbidden=("not sorry", "not my fault", "your fault", "never sorry", "not really sorry")),
        _kind("sentence", ["Write a sentence with the word {x}.", "Use the word {x} in a sentence.", "Make a sentence with {x}."], words,
             ["{y}"], ["{o}", "{p}"], [("{x}",)], least=4),
    ]  # fmt: skip
