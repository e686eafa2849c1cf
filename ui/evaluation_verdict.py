"""What an evaluation shows, in sentences: whether PPO improved on SFT, and whether the precisions differ.

Everything goes by 95 % intervals of the results. Two intervals that overlap are reported as "no difference
visible", which is weaker than "equal". The arena has tests with corrected error rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ui.plots import finite
from ui.reading import Reading
from ui.texts import Texts

Rows = Sequence[Mapping[str, Any]]
Interval = tuple[float, float]


def gold_intervals(rows: Rows) -> dict[str, Interval]:
    """{policy: 95 % interval of its mean gold reward}: the mean plus and minus 1.96 standard errors."""
    found = {}
    for row in rows:
        mean, spread, count = finite(row.get("gold")), finite(row.get("gold_sd")), finite(row.get("n"))
        if mean is not None and spread is not None and count:
            error = 1.96 * spread / math.sqrt(count)
            found[str(row["policy"])] = (mean - error, mean + error)
    return found


def gain_intervals(rows: Rows) -> dict[str, Interval]:
    """{policy: 95 % interval of its gain by its own reward model}; an earlier evaluation has none."""
    found = {}
    for row in rows:
        ends = [finite(end) for end in row.get("score_gain_ci") or ()]
        if len(ends) == 2 and ends[0] is not None and ends[1] is not None:
            found[str(row["policy"])] = (ends[0], ends[1])
    return found


def verdict(rows: Rows, t: Texts) -> Reading:
    """One sentence on PPO against SFT, and one on the precisions or, without a gold reward, on the scores."""
    policies = [row for row in rows if row["policy"] != "sft"]
    if not policies:
        return [("note", t("evaluate.only_sft"))]
    better = [str(row["policy"]) for row in policies if beats_sft(row)]
    said: Reading = []
    if len(better) == len(policies):
        said.append(("good", t("evaluate.all_better", policies=", ".join(better))))
    elif better:
        said.append(("note", t("evaluate.some_better", policies=", ".join(better))))
    else:
        said.append(("warn", t("evaluate.none_better")))
    intervals = gold_intervals(policies)
    if better and not intervals:
        said.append(("note", t("evaluate.by_own_scores")))
    if len(intervals) > 1:
        said.append(precisions(intervals, t))
    return said


def beats_sft(row: Mapping[str, Any]) -> bool:
    """Whether the whole interval of its win rate against SFT is above one half; by gold where it is known."""
    interval = row.get("gold_win_rate_ci") or row.get("win_rate_vs_sft_ci")
    return interval is not None and interval[0] > 0.5


def precisions(intervals: Mapping[str, Interval], t: Texts) -> tuple[str, str]:
    """Whether any two policies differ by more than their intervals."""
    ordered = sorted(intervals, key=lambda name: sum(intervals[name]))
    lowest, highest = ordered[0], ordered[-1]
    if intervals[lowest][1] < intervals[highest][0]:
        return "note", t("evaluate.differ", high=highest, low=lowest)
    return "note", t("evaluate.no_difference")
