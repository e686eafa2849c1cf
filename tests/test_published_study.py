"""What README and docs/study.md say of the study is what its published measurements give."""

import dataclasses
import json
from pathlib import Path

import pytest

from pipeline.commands.study_report import findings_of

ROOT = Path(__file__).parents[1]
PILOT, INT8 = (
    json.loads((ROOT / "docs" / f"study-{name}.json").read_text(encoding="utf-8"))
    for name in ("pilot", "int8")
)


def numbers(value, path=()):
    """All leaves of nested records, by path."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in numbers(inner, (*path, key)).items()}
    if isinstance(value, (list, tuple)):
        return {k: v for key, inner in enumerate(value) for k, v in numbers(inner, (*path, key)).items()}
    return {path: value}


@pytest.mark.parametrize("content", [PILOT, INT8], ids=["pilot", "int8"])
def test_the_published_figures_follow_from_the_published_measurements(content):
    computed = numbers(dataclasses.asdict(findings_of(content)))
    published = numbers(content["findings"])
    assert computed.keys() == published.keys()
    for path, value in published.items():
        expected = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
        assert computed[path] == expected, path


@pytest.mark.parametrize(
    ("page", "content"),
    [("README.md", PILOT), ("docs/study.md", PILOT), ("docs/study.md", INT8)],
    ids=["README, pilot", "study, pilot", "study, int8"],
)
def test_the_verdict_is_quoted_word_for_word(page, content):
    text = " ".join((ROOT / page).read_text(encoding="utf-8").replace("\n>", "\n").split())
    assert content["findings"]["sentence"] in text
    assert content["sha256"][:8] in (ROOT / "docs" / "study.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("content", "arm"), [(PILOT, "2-bit"), (PILOT, "bag-of-words"), (INT8, "int8")])
def test_the_differences_that_the_readme_quotes_are_those_of_the_study(content, arm):
    (row,) = (one for one in content["findings"]["arms"] if one["arm"] == arm)
    quoted = f"{row['mean']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
    assert quoted in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_world_tells_reward_models_from_a_bag_of_words():
    """PPO against a bag of words ends with less gold over four replicates or more: the 95 % interval of the
    paired difference excludes zero."""
    (bag,) = (arm for arm in PILOT["findings"]["arms"] if arm["arm"] == "bag-of-words")
    assert len(bag["replicates"]) >= 4
    assert bag["high"] < 0
