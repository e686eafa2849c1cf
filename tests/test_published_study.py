"""What README and docs/study.md say of the study is what its published measurements give."""

import dataclasses
import json
from pathlib import Path

import pytest

from pipeline.commands.study_report import findings_of

ROOT = Path(__file__).parents[1]
CONTENT = json.loads((ROOT / "docs" / "study-pilot.json").read_text(encoding="utf-8"))


def numbers(value, path=()):
    """All leaves of nested records, by path."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in numbers(inner, (*path, key)).items()}
    if isinstance(value, (list, tuple)):
        return {k: v for key, inner in enumerate(value) for k, v in numbers(inner, (*path, key)).items()}
    return {path: value}


def test_the_published_figures_follow_from_the_published_measurements():
    computed = numbers(dataclasses.asdict(findings_of(CONTENT)))
    published = numbers(CONTENT["findings"])
    assert computed.keys() == published.keys()
    for path, value in published.items():
        expected = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
        assert computed[path] == expected, path


@pytest.mark.parametrize("page", ["README.md", "docs/study.md"])
def test_the_verdict_is_quoted_word_for_word(page):
    text = " ".join((ROOT / page).read_text(encoding="utf-8").replace("\n>", "\n").split())
    assert CONTENT["findings"]["sentence"] in text
    assert CONTENT["sha256"][:8] in (ROOT / "docs" / "study.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("arm", ["2-bit", "bag-of-words"])
def test_the_differences_that_the_readme_quotes_are_those_of_the_study(arm):
    (row,) = (one for one in CONTENT["findings"]["arms"] if one["arm"] == arm)
    quoted = f"{row['mean']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
    assert quoted in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_world_tells_reward_models_from_a_bag_of_words():
    """PPO against a bag of words ends with less gold over four replicates or more: the 95 % interval of the
    paired difference excludes zero."""
    (bag,) = (arm for arm in CONTENT["findings"]["arms"] if arm["arm"] == "bag-of-words")
    assert len(bag["replicates"]) >= 4
    assert bag["high"] < 0
