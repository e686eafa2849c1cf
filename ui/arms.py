"""Runs as arms of an experiment: seeds that belong together, and the one colour that an arm has everywhere.

Runs that differ only in their seed are one group; a group of a reward model or a PPO policy has the colour of
its precision on every chart of the page. Two groups of one precision differ in the dash of their lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.runs.record_file import RunRecord
from pipeline.settings.stages import STAGES
from ui import parts
from ui.parts import LIVE
from ui.texts import Texts
from ui.theme import COLOURS

# Settings in which the seeds of one experiment differ.
NOT_COMPARED = frozenset({"seed", "name", "sft_run", "reward_run", "judge_run"})
# Of runs without a precision of their own; no colour of an arm.
OTHERS = ("#7c8aa5", "#8b5cf6", "#c2548f", "#9a6b3f", "#0e86b4", "#7f8c1b")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MOST_IN_LABEL = 2  # differing settings that a group's label names


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed. label: not escaped."""

    label: str
    colour: str
    dash: str
    runs: tuple[RunRecord, ...]

    @property
    def config(self) -> Mapping[str, Any]:
        return self.runs[0].config


def groups(records: Sequence[RunRecord], t: Texts) -> list[Group]:
    """The groups of runs, in the order of their first run. A run that has not ended is a group of its own,
    because a mean over unequally many steps would jump."""
    found: dict[Any, list[RunRecord]] = {}
    for record in records:
        found.setdefault(_key(record), []).append(record)
    runs = [tuple(group) for group in found.values()]
    labels = _labels(runs, t)
    looks = _looks(runs)
    return [Group(label, *look, group) for label, look, group in zip(labels, looks, runs, strict=True)]


def newest_arms(records: Sequence[RunRecord]) -> list[str]:
    """The ids of the newest PPO run of each precision on the newest SFT run, live ones included, bf16
    first."""
    policies = [r for r in records if r.stage == "ppo" and r.usual and not r.damaged]
    if not policies:
        return []
    known = next((r for r in policies if r.parents.sft), policies[0])
    same = [r for r in policies if r.preset == known.preset and r.parents.sft in ("", known.parents.sft)]
    newest: dict[str, str] = {}
    for record in same:  # newest first
        newest.setdefault(record.precision, record.id)
    order = list(COLOURS)
    return [newest[p] for p in sorted(newest, key=lambda p: order.index(p) if p in order else len(order))]


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of plain values that are not the same everywhere."""
    names = dict.fromkeys(name for one in settings for name in one)
    return [
        name for name in names if _plain(name, settings) and len({repr(s.get(name)) for s in settings}) > 1
    ]


def _plain(name: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    return all(s.get(name) is None or isinstance(s[name], int | float | str | bool) for s in settings)


def _key(record: RunRecord) -> Any:
    if record.status in LIVE or record.damaged or record.results.get("promoted_from"):
        return record.id
    rest = sorted((name, repr(value)) for name, value in record.config.items() if name not in NOT_COMPARED)
    return record.stage, record.preset, record.precision, record.title, tuple(rest)


def _labels(runs: Sequence[tuple[RunRecord, ...]], t: Texts) -> list[str]:
    """The title of each group, with the settings that tell it from others of the same title, and its
    seeds."""
    titles = [parts.run_title(group[0], t) for group in runs]
    found = []
    for title, group in zip(titles, runs, strict=True):
        peers = [other[0].config for name, other in zip(titles, runs, strict=True) if name == title]
        names = [n for n in differing(peers) if n not in NOT_COMPARED][:MOST_IN_LABEL]
        told = [f"{t.label_of(name)} {parts.shown_value(group[0].config.get(name))}" for name in names]
        if len(group) > 1:
            told.append(t("compare.seeds", count=len(group)))
        elif len(peers) > 1:
            told.append(group[0].id[-4:])
        found.append(" · ".join([title, *told]))
    return found


def _looks(runs: Sequence[tuple[RunRecord, ...]]) -> list[tuple[str, str]]:
    """(colour, dash) of each group."""
    used: dict[str, int] = {}
    others, found = 0, []
    for group in runs:
        row = STAGES.get(group[0].stage)
        arm = row is not None and row.per_precision and group[0].precision in COLOURS
        if arm:
            colour = COLOURS["gold"] if group[0].against_gold else COLOURS[group[0].precision]
        else:
            colour, others = OTHERS[others % len(OTHERS)], others + 1
        number = used.get(colour, 0)
        used[colour] = number + 1
        found.append((colour, DASHES[number % len(DASHES)]))
    return found
