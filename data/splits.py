"""Splits rows into train, validation and test by prompt: each prompt is in one split only.

Prompts are compared after Unicode normalisation (NFKC), case folding and white-space squeezing, so that
typographic variants of a question do not leak. Paraphrases are not detected.
"""

import random
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from data.records import Pair

SPLITS = ("train", "validation", "test")
FRACTIONS = (0.8, 0.1, 0.1)


def normalised(prompt: str) -> str:
    """The form in which two prompts are compared."""
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())


def split_by_prompt(
    pairs: Sequence[Pair], seed: int, fractions: Sequence[float] = FRACTIONS
) -> dict[str, list[Pair]]:
    """Split pairs so that each prompt is in one split; each split keeps the order of the file.

    Which prompt goes where depends on the seed and the set of prompts, not on their order. Sizes are as close
    to ``fractions`` (train, validation, test) as whole prompts allow. With three or more prompts no split is
    empty; with two there is no validation split, with one only train.
    """
    sizes: dict[str, int] = defaultdict(int)
    for pair in pairs:
        sizes[normalised(pair.prompt)] += 1
    prompts = sorted(sizes)
    random.Random(seed).shuffle(prompts)
    place: dict[str, str] = {}
    todo = list(prompts)
    for name, fraction in (("test", fractions[2]), ("validation", fractions[1])):
        wanted, taken = fraction * len(pairs), 0
        # Take at least one prompt, as long as one is left for train.
        while len(todo) > 1 and fraction > 0 and (taken == 0 or taken + sizes[todo[-1]] / 2 <= wanted):
            prompt = todo.pop()
            place[prompt] = name
            taken += sizes[prompt]
    splits: dict[str, list[Pair]] = {name: [] for name in SPLITS}
    for pair in pairs:
        splits[place.get(normalised(pair.prompt), "train")].append(pair)
    return splits


def remove_overlap(splits: Mapping[str, Sequence[Pair]]) -> tuple[dict[str, list[Pair]], int]:
    """Remove rows whose prompt is also in a later split; returns the splits and the number of removed rows.

    Test keeps all rows, validation loses the prompts of test, train those of both.
    """
    kept: dict[str, list[Pair]] = {}
    removed = 0
    taken: set[str] = set()
    for name in reversed(SPLITS):
        rows = splits.get(name, [])
        kept[name] = [pair for pair in rows if normalised(pair.prompt) not in taken]
        removed += len(rows) - len(kept[name])
        taken |= {normalised(pair.prompt) for pair in kept[name]}
    return {name: kept[name] for name in SPLITS}, removed


def shared_prompts(splits: Mapping[str, Sequence[Pair]], key: Callable[[str], str] = normalised) -> int:
    """The leakage check: the number of prompts in more than one split, compared by their `key`."""
    sets = [{key(pair.prompt) for pair in pairs} for pairs in splits.values()]
    return sum(map(len, sets)) - len(set().union(*sets))
