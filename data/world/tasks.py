"""The kinds of request whose answer is put together: choices, lists, steps, advice, comfort."""

from __future__ import annotations

import random

from data.world import entities as e
from data.world.request import Expected, Item, Kind, article, bare, capital, fill, named

CONTRARY = {"bigger": "smaller", "faster": "slower", "heavier": "lighter"}
SORRY = (
    "sorry to hear",
    "sorry that",
    "sorry you",
    "so sorry",
    "must be hard",
    "sounds hard",
    "i understand",
)


def tasks() -> list[Kind]:
    return [
        _choice("bigger", e.BY_SIZE), _choice("faster", e.BY_SPEED), _choice("heavier", e.BY_WEIGHT),
        _yes_no(), _lists(), _steps("recipe", ("How do I make {x}?", "How can I make {x}?", "Can you tell me how to make {x}?", "I want to make {x}."), e.RECIPES), _steps("chore", ("How do I {x}?", "What is the right way to {x}?", "Please explain how to {x}."), e.CHORES), _advice(), _feelings(),
    ]  # fmt: skip


def _choice(adjective: str, ordered: tuple[str, ...]) -> Kind:
    """Which of two is bigger, faster, heavier: `ordered` goes from least to most."""
    items = tuple(
        {"x": pair[0], "z": pair[1], "y": ordered[j], "n": ordered[i]}
        for i in range(len(ordered)) for j in range(i + 1, len(ordered))
        for pair in ((ordered[i], ordered[j]), (ordered[j], ordered[i]))
    )  # fmt: skip
    answers = (f"{{y}} is {adjective} than {{n}}.", f"{{y}} is {adjective}.")
    contrary = frozenset({CONTRARY[adjective], "less " + adjective, "not " + adjective})

    def expect(item: Item) -> Expected:
        right, wrong = bare(item["y"]), bare(item["n"])
        return Expected(required=((right,),), first=(right, wrong), than=adjective, forbidden=contrary)

    return Kind(
        adjective, "choice", (f"Which is {adjective}, {{x}} or {{z}}?", f"What is {adjective}: {{x}} or {{z}}?"), items,
        lambda i, r: fill(answers, i, r), lambda i, r: fill(answers, i, r, y=i["n"], n=i["y"]), expect,
    )  # fmt: skip


def _yes_no() -> Kind:
    items = []
    groups = list(e.CATEGORIES)
    for k, group in enumerate(groups):
        for member in e.CATEGORIES[group]:
            if member == "orange":
                continue
            other = groups[(k + 3) % len(groups)]
            x, own = named(member, group), e.SINGULAR[group]
            items.append({"x": x, "c": own, "own": own, "y": "yes", "v": "is"})
            items.append({"x": x, "c": e.SINGULAR[other], "own": own, "y": "no", "v": "is not"})
    items = [{**item, "ac": article(item["c"])} for item in items]
    answers = ("{y}, {x} {v} a kind of {c}.", "{y}, {x} {v} {ac}.")
    flip = {"yes": ("no", "is not"), "no": ("yes", "is")}

    def wrong(item: Item, rng: random.Random) -> str:
        y, v = flip[item["y"]]
        if item["y"] == "yes" and rng.random() < 0.3:  # affirms another group
            c = rng.choice([c for c in e.SINGULAR.values() if c != item["own"]])
            return fill(answers[:1], item, rng, c=c)
        return fill(answers, item, rng, y=y, v=v)

    def expect(item: Item) -> Expected:
        # No answer may place the thing in a group to which it does not belong.
        false = {c for c in e.SINGULAR.values() if c not in (item["own"], item["c"])}
        false |= {"no", "nope"} if item["y"] == "yes" else {"yes", "yep"}
        return Expected(
            required=((item["y"],),), verdict=item["c"], forbidden=frozenset(false) - {bare(item["x"])}
        )

    return Kind(
        "yes or no", "choice", ("Is {x} a kind of {c}?", "Is {x} {ac}?"), tuple(items),
        lambda i, r: fill(answers, i, r), wrong, expect,
    )  # fmt: skip


def _list_text(members: list[str]) -> str:
    return ", ".join(members[:-1]) + " and " + members[-1]


def _lists() -> Kind:
    items = tuple({"x": c, "n": e.NUMBERS[n]} for c in e.CATEGORIES for n in (2, 3, 4))

    def text(item: Item, members: list[str]) -> str:
        return capital(f"{item['n']} {item['x']} are {_list_text(members)}.")

    def right(item: Item, rng: random.Random) -> str:
        return text(item, rng.sample(e.CATEGORIES[item["x"]], e.NUMBERS.index(item["n"])))

    def wrong(item: Item, rng: random.Random) -> str:
        """A list with one member too many or too few, or with some or only members of another group."""
        n, own = e.NUMBERS.index(item["n"]), e.CATEGORIES[item["x"]]
        other = e.CATEGORIES[rng.choice([c for c in e.CATEGORIES if c != item["x"]])]
        draw = rng.random()
        if n > 2 and draw < 0.3:
            return text(item, rng.sample(own, n + rng.choice((-1, 1))))
        strangers = n if draw < 0.6 else 1
        members = rng.sample(own, n - strangers) + rng.sample([m for m in other if m not in own], strangers)
        rng.shuffle(members)
        return text(item, members)

    def expect(item: Item) -> Expected:
        own = e.CATEGORIES[item["x"]]
        others = {m for c, ms in e.CATEGORIES.items() if c != item["x"] for m in ms} - set(own)
        return Expected(members=own, count=e.NUMBERS.index(item["n"]), forbidden=frozenset(others))

    return Kind(
        "list", "list", ("Name {n} {x}.", "Can you name {n} {x}?", "Give me {n} {x}.", "List {n} {x}."),
        items, right, wrong, expect,
    )  # fmt: skip


Rows = dict[str, tuple[tuple[str, str], ...]]  # subject -> its steps or tips, each with its key


def _steps(name: str, questions: tuple[str, ...], rows: Rows) -> Kind:
    def text(steps: list[str], rng: random.Random) -> str:
        starts = rng.choice((("First, ", "Then ", "Finally, "), ("First ", "After that, ", "At the end, ")))
        return " ".join(f"{start}{step}." for start, step in zip(starts, steps, strict=False))

    def right(item: Item, rng: random.Random) -> str:
        return text([s for s, _ in rows[item["x"]]], rng)

    def wrong(item: Item, rng: random.Random) -> str:
        """Steps out of order, a step left out, a step of something else, or something else altogether."""
        steps = [s for s, _ in rows[item["x"]]]
        other = [s for s, _ in rows[rng.choice([x for x in rows if x != item["x"]])]]
        draw = rng.random()
        if draw < 0.4:
            a, b, c = steps
            return text(rng.choice([[b, a, c], [a, c, b], [c, b, a], [c, a, b]]), rng)
        if draw < 0.6:
            return text(rng.sample(steps, rng.choice((1, 1, 2))), rng)
        if draw < 0.75:
            return text([steps[0], other[1], other[2]], rng)
        return text(other, rng)

    return Kind(
        name, "steps", questions, tuple({"x": x} for x in rows), right, wrong,
        lambda i: Expected(required=tuple((key,) for _, key in rows[i["x"]]), ordered=True, limit=46),
    )  # fmt: skip


def _advice() -> Kind:
    def text(item: Item, tips: list[str], rng: random.Random) -> str:
        starts = ("To {x}, {a}.", "You could {a}.", "Try this: {a}.")
        return fill(starts, item, rng, a=" and ".join(tips)).replace(" my ", " your ")

    def right(item: Item, rng: random.Random) -> str:
        return text(item, [t for t, _ in rng.sample(e.GOALS[item["x"]], 2)], rng)

    def wrong(item: Item, rng: random.Random) -> str:
        """Tips for another goal, or one tip of two for another goal."""
        other = rng.choice([x for x in e.GOALS if x != item["x"]])
        tips = [t for t, _ in rng.sample(e.GOALS[other], 2)]
        if rng.random() < 0.4:
            tips[rng.randrange(2)] = rng.choice(e.GOALS[item["x"]])[0]
        return text(item, tips, rng)

    def expect(item: Item) -> Expected:
        tips = e.GOALS[item["x"]]
        avoided = frozenset(key for tip, key in tips if tip.startswith("avoid"))
        return Expected(required=tuple((key,) for _, key in tips), enough=2, avoided=avoided, limit=34)

    return Kind(
        "advice", "advice", ("How can I {x}?", "What can I do to {x}?", "Do you have a tip? I want to {x}.", "I want to {x}. Any ideas?"),
        tuple({"x": x} for x in e.GOALS), right, wrong, expect,
    )  # fmt: skip


def _feelings() -> Kind:
    items = tuple({"x": f, "r": r, "y": e.COMFORTS[f][0]} for f in e.FEELINGS for r in e.REASONS)
    answers = ("I am sorry to hear that you feel {x}. You could {y}.", "That must be hard. Maybe you could {y}.",
               "I understand. When one feels {x}, it can help to {y}.")  # fmt: skip
    careless = ("You could {y}.", "Everybody feels {x} at times.", "I am sorry to hear that.")

    def wrong(item: Item, rng: random.Random) -> str:
        """Without sympathy or advice, or with the advice for another feeling."""
        if rng.random() < 0.4:
            return fill(careless, item, rng)
        others = [y[0] for f, y in e.COMFORTS.items() if f != item["x"]]
        return fill(answers, item, rng, y=rng.choice(others))

    return Kind(
        "feeling", "advice", ("I feel {x} because {r}.", "I am {x} today because {r}.", "I feel so {x}, {r}."),
        items, lambda i, r: fill(answers, i, r), wrong,
        lambda i: Expected(required=(SORRY, (i["y"],)), limit=34),
    )  # fmt: skip
