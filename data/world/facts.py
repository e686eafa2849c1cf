"""The kinds of request with one right answer: facts, sums and gifts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache

from data.world import entities as e
from data.world.request import Expected, Item, Kind, Texts, bare, fill, named

Rows = Mapping[str, tuple[str, ...]]  # subject -> (answer, other spelling, ...)


def fact(
    name: str,
    questions: Texts,
    answers: Texts,
    rows: Rows,
    *,
    free: Rows | None = None,
    claims: Texts = (),
    group: str = "fact",
    limit: int = 24,
) -> Kind:
    """A kind with one right value y per subject x.

    A false answer gives another subject's value, or what is true of another subject. free: slots that do not
    matter for the answer. claims: further wordings in which an answer about another subject is recognised.
    """
    answers = tuple(answers)
    values = sorted({y[0] for y in rows.values()})
    items = [{"x": x, "y": y[0]} for x, y in rows.items()]
    for slot, options in (free or {}).items():
        items = [{**item, slot: option} for item in items for option in options]
    expected = _expectation(rows, (*answers, *claims), limit)

    def rivals(item: Item) -> list[str]:
        """The values that differ from the right one and do not occur in the question."""
        right, asked = [y.lower() for y in rows[item["x"]]], f" {item['x'].lower()} "
        found = [y for y in values if f" {y.lower()} " not in asked]
        return [y for y in found if not any(y.lower() in r or r in y.lower() for r in right)] or values

    def wrong(item: Item, rng: random.Random) -> str:
        others = rivals(item)
        if rng.random() < 0.5:  # what is true of another subject
            x = rng.choice([x for x, y in rows.items() if y[0] in others])
            return fill(answers, item, rng, x=x, y=rows[x][0])
        return fill(answers, item, rng, y=rng.choice(others))

    return Kind(
        name, group, tuple(questions), tuple(items), lambda i, r: fill(answers, i, r), wrong,
        lambda item: expected(item["x"]), follow_up=not free,
    )  # fmt: skip


def _expectation(rows: Rows, claims: tuple[str, ...], limit: int) -> Callable[[str], Expected]:
    """What an answer about a subject must contain, as a function of the subject."""
    spellings = {y for group in rows.values() for y in group}

    @cache
    def expected(x: str) -> Expected:
        right = tuple(bare(y) for y in rows[x])
        asked = f" {x.lower()} "
        rivals = {bare(y) for y in spellings}
        rivals = {y for y in rivals if not any(f" {y} " in f" {known} " for known in (asked, *right))}
        others = {bare(z) for z, y in rows.items() if not set(map(bare, y)) & set(right)} - set(right)
        return Expected(
            required=(right,),
            forbidden=frozenset(rivals),
            subject=bare(x),
            others=frozenset(others),
            claims=tuple(c.lower() for c in claims if "{x}" in c and "{y}" in c and len(c.split()) > 2),
            limit=limit,
        )

    return expected


def _number(n: int) -> tuple[str, ...]:
    return (e.NUMBERS[n], str(n))


def _sums(name: str, word: str, questions: Texts, answers: Texts, rows: dict[tuple[int, int], int]) -> Kind:
    """Sums of small numbers, {a} word {b}; a false answer is near the right one."""
    items = tuple(
        {
            "x": f"{e.NUMBERS[a]} {word} {e.NUMBERS[b]}",
            "a": e.NUMBERS[a],
            "b": e.NUMBERS[b],
            "y": e.NUMBERS[n],
        }
        for (a, b), n in rows.items()
    )
    answers = tuple(answers)

    def wrong(item: Item, rng: random.Random) -> str:
        n = e.NUMBERS.index(item["y"])
        near = [m for m in (n - 3, n - 2, n - 1, n + 1, n + 2, n + 3) if 0 <= m < len(e.NUMBERS)]
        near = [m for m in near if e.NUMBERS[m] not in (item["a"], item["b"])]
        if rng.random() < 0.3:  # another sum with its own result
            other = rng.choice([i for i in items if i["y"] != item["y"]])
            return fill(answers[:1], other, rng)
        return fill(answers, item, rng, y=e.NUMBERS[rng.choice(near)])

    @cache
    def expected(a: str, b: str, y: str) -> Expected:
        return Expected(
            required=((y,),), forbidden=frozenset(set(e.NUMBERS) - {a, b, y}), sum=(a, word, b)
        )  # fmt: skip

    return Kind(
        name, "sum", tuple(questions), items, lambda i, r: fill(answers, i, r), wrong,
        lambda i: expected(i["a"], i["b"], i["y"]), follow_up=True,
    )  # fmt: skip


def after(values: tuple[str, ...], step: int) -> Rows:
    return {v: (values[(k + step) % len(values)],) for k, v in enumerate(values)}


def facts() -> list[Kind]:
    return [
        *_places(),
        *_animals(),
        *_words(),
        *_sequences(),
        *_things(),
        *_measures(),
        *_arithmetic(),
        *_taste(),
    ]


def _places() -> list[Kind]:
    return [
        fact("capital", ["What is the capital of {x}?", "Which city is the capital of {x}?", "Name the capital of {x}.", "Do you know the capital of {x}?"],
             ["The capital of {x} is {y}.", "{y} is the capital of {x}."], e.CAPITALS),
        fact("continent", ["On which continent is {x}?", "Which continent is {x} in?", "Where in the world is {x}?"],
             ["{x} is in {y}.", "You can find {x} in {y}."], e.CONTINENTS),
        fact("language", ["What language do people speak in {x}?", "Which language is spoken in {x}?"],
             ["People in {x} speak {y}.", "In {x} people speak {y}."], e.LANGUAGES),
    ]  # fmt: skip


def _animals() -> list[Kind]:
    return [
        fact("sound", ["What sound does {x} make?", "Which sound does {x} make?"], ["{x} {y}.", "The sound is easy: {x} {y}."], e.SOUNDS),
        fact("young", ["What is the young of {x} called?", "What do you call the baby of {x}?"],
             ["The young of {x} is called a {y}.", "We call it a {y}."], e.YOUNG),
        fact("home", ["Where does {x} live?", "What is the home of {x}?"], ["The home of {x} is the {y}.", "{x} lives in the {y}."], e.HOMES),
        fact("food", ["What does {x} eat?", "What does {x} like to eat?"], ["{x} likes to eat {y}.", "{x} eats {y}."], e.FOODS),
        fact("legs", ["How many legs does {x} have?", "How many legs has {x}?"], ["{x} has {y} legs."], e.LEGS),
        fact("colour", ["What colour is {x}?", "What is the colour of {x}?", "What color is {x}?"],
             ["The colour of {x} is {y}.", "{x} is {y} in colour."], e.COLOURS),
    ]  # fmt: skip


def _words() -> list[Kind]:
    return [
        fact("opposite", ["What is the opposite of {x}?", "Which word is the opposite of {x}?", "What is the antonym of {x}?"],
             ["The opposite of {x} is {y}.", "It is {y}."], e.OPPOSITES),
        fact("plural", ["What is the plural of {x}?", "How do you write the plural of {x}?"],
             ["The plural of {x} is {y}.", "One {x}, two {y}."], e.PLURALS),
        fact("past", ["What is the past tense of {x}?", "How do you say {x} in the past?"],
             ["The past tense of {x} is {y}.", "Today I {x}, yesterday I {y}."], e.PAST_TENSES),
        fact("spanish", ["How do you say {x} in Spanish?", "What is the Spanish word for {x}?"],
             ["The Spanish word for {x} is {y}.", "In Spanish you say {y}."], e.SPANISH),
        fact("french", ["How do you say {x} in French?", "What is the French word for {x}?"],
             ["The French word for {x} is {y}.", "In French you say {y}."], e.FRENCH),
    ]  # fmt: skip


def _sequences() -> list[Kind]:
    turned = ("{y} comes after {x}.", "{y} follows {x}.")
    return [
        fact("day after", ["Which day comes after {x}?", "What day follows {x}?"], ["The day after {x} is {y}.", "After {x} comes {y}."],
             after(e.DAYS, 1), claims=turned),
        fact("day before", ["Which day comes before {x}?"], ["The day before {x} is {y}.", "Before {x} comes {y}."],
             after(e.DAYS, -1), claims=("{y} comes before {x}.", "{x} comes after {y}.")),
        fact("month after", ["Which month comes after {x}?", "What month follows {x}?"],
             ["The month after {x} is {y}.", "After {x} comes {y}."], after(e.MONTHS, 1), claims=turned),
        fact("season after", ["Which season comes after {x}?", "What season follows {x}?"],
             ["After {x} comes {y}.", "The season after {x} is {y}."], after(e.SEASONS, 1), claims=turned),
        fact("next number", ["Which number comes after {x}?", "What number follows {x}?"], ["After {x} comes {y}.", "The number after {x} is {y}."],
             {e.NUMBERS[n]: _number(n + 1) for n in range(0, 24)}, claims=turned),
    ]  # fmt: skip


def _things() -> list[Kind]:
    belongs = {
        named(m, c): (e.SINGULAR[c],) for c, members in e.CATEGORIES.items() for m in members if m != "orange"
    }
    uses = {x: (e.TOOL_PHRASES[x], *y) for x, y in e.TOOL_USES.items()}
    return [
        fact("sides", ["How many sides does {x} have?", "How many sides has {x}?"], ["{x} has {y} sides."], e.SIDES),
        fact("job makes", ["What does {x} make?", "What does {x} produce?"], ["{x} makes {y}."], e.JOB_MAKES),
        fact("job place", ["Where does {x} work?", "What is the workplace of {x}?"],
             ["{x} works in a {y}.", "The workplace of {x} is a {y}."], e.JOB_PLACES),
        fact("shop", ["Where can I buy {x}?", "Where do people buy {x}?"], ["You can buy {x} at the {y}.", "Go to the {y} to buy {x}."], e.SHOPS),
        fact("tool", ["What is {x} used for?", "What do I need {x} for?", "What can I do with {x}?"],
             ["{x} is used {y}.", "You need {x} {y}."], uses),
        fact("sense", ["What do we use {x} for?", "What do {x} do for us?"], ["We use {x} to {y}.", "With {x} we can {y}."], e.SENSES),
        fact("material", ["What is {x} made of?", "Which material is {x} made of?"], ["{x} is made of {y}."], e.MATERIALS),
        fact("playing", ["How do you play {x}?", "How does one play {x}?"], ["You play {x} by {y} it.", "By {y} it."], e.PLAYED_BY),
        fact("sport", ["What do I need for {x}?", "Which thing do I need to start {x}?"], ["For {x} you need a {y}.", "You need a {y} for {x}."], e.SPORT_THINGS),
        fact("category", ["What kind of thing is {x}?", "To which group does {x} belong?"],
             ["{x} belongs to the group: {y}.", "{x} is a kind of {y}."], belongs),
    ]  # fmt: skip


def _measures() -> list[Kind]:
    return [
        fact("units", ["How many {x}?", "How many {x} are there?"], ["There are {y} {x}."], e.UNITS),
    ]  # fmt: skip


def _arithmetic() -> list[Kind]:
    ask = ["What is {x}?", "How much is {x}?", "Can you work out {x}?"]
    small = range(1, 11)
    return [
        _sums("add", "plus", ask, ["{x} is {y}.", "The sum is {y}."], {(a, b): a + b for a in small for b in small}),
        _sums("subtract", "minus", ask, ["{x} is {y}.", "The result is {y}."], {(a, b): a - b for a in small for b in small if a >= b}),
        fact("double", ["What is twice {x}?", "How much is double {x}?"], ["Twice {x} is {y}.", "The double of {x} is {y}."],
             {e.NUMBERS[n]: _number(2 * n) for n in range(1, 13)}, claims=("double {x} is {y}.",), group="sum"),
    ]  # fmt: skip


def _taste() -> list[Kind]:
    return [
        fact("gift", ["What gift should I buy for {p}, who likes {x}?", "What would {p} like as a present? The hobby is {x}.", "I need a present for {p}, who likes {x}."],
             ["Someone who likes {x} would enjoy {y}.", "I would buy {y}.", "{y} would be a good present."], e.GIFTS, free={"p": e.PEOPLE}),
        fact("weather", ["It is {x} outside. What should I take with me?", "What should I take when it is {x}?", "What do I need when it is {x}?"],
             ["When it is {x}, take {y}.", "You should take {y}."], e.WEATHER),
    ]  # fmt: skip
