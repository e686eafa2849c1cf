"""The page's texts: complete in both languages, with the same placeholders, and none missing or unused."""

import re
import string
from pathlib import Path

import pytest

from pipeline.settings import layers as settings
from pipeline.settings.stages import STAGES
from ui.plots import CHARTS
from ui.texts import TABLE, Texts
from ui.texts.arena import ARENA
from ui.texts.comparing import COMPARING
from ui.texts.data import DATA
from ui.texts.errors import ERRORS
from ui.texts.evaluation import EVALUATION
from ui.texts.fields import FIELDS, GROUPS, UNITS
from ui.texts.frame import FRAME
from ui.texts.judging import JUDGING
from ui.texts.measuring import MEASURING
from ui.texts.runs import RUNS
from ui.texts.start import START
from ui.texts.study import STUDY
from ui.texts.trained import TRAINED
from ui.texts.training import TRAINING

UI = Path(__file__).resolve().parent.parent / "ui"
TABLES = (
    ARENA, COMPARING, DATA, ERRORS, EVALUATION, FRAME, JUDGING, MEASURING, RUNS, START, STUDY, TRAINED,
    TRAINING,
)  # fmt: skip
SOURCE = "\n".join(
    path.read_text(encoding="utf-8") for path in UI.rglob("*.py") if path.parent.name != "texts"
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Names and symbols that are the same in both languages.
SAME = {"preset.edge", "tab.sft", "tab.ppo", "bar.sft", "bar.reward", "bar.ppo", "stage.sft", "stage.ppo"}
SAME |= {"preset.small", "line.kl", "data.source.hub", "machine.cpu", "arena.empty"}


def blanks(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("key", TABLE)
def test_text_exists_in_both_languages_with_the_same_placeholders(key):
    english, chinese = TABLE[key]
    assert english.strip() and chinese.strip()
    assert blanks(english) == blanks(chinese)
    assert not CHINESE.search(english)
    assert CHINESE.search(chinese) or key in SAME


def test_no_key_is_in_two_tables():
    assert sum(map(len, TABLES)) == len(TABLE)


def test_every_setting_group_and_unit_has_chinese_words():
    found = [field for stage in STAGES.names for field in settings.fields(stage)]
    assert {field.name for field in found} <= set(FIELDS)
    assert {field.group for field in found} - {"main"} <= set(GROUPS)
    assert {field.unit for field in found} - {""} <= set(UNITS)
    for field in found:
        assert CHINESE.search(Texts("zh").help(field)), field.name


def test_every_key_that_the_page_uses_is_in_the_table():
    named = set(re.findall(r'\bt\(\s*"([a-z_]+\.[A-Za-z_0-9.-]+)"', SOURCE))
    assert len(named) > 100
    assert named - {key for key in named if key.endswith(".")} <= set(TABLE)


def test_every_text_is_used():
    prefixes = set(re.findall(r"""f?["']([a-z_]+\.(?:[a-z]+\.)?)(?:["']\s*\+|\{)""", SOURCE))
    unused = [
        key
        for key in TABLE
        if key not in ERRORS  # tests/test_errors.py compares them with the codes
        and not re.search(f"""["']{re.escape(key)}["']""", SOURCE)
        and not any(key.startswith(prefix) for prefix in prefixes)
    ]
    assert unused == []


def test_chart_titles_and_lines_have_texts():
    for chart in [chart for charts in CHARTS.values() for chart in charts]:
        assert chart.title in TABLE
        for line in chart.lines:
            assert "line." + line.name.replace(" ", "_").lower() in TABLE


def test_unknown_key_is_an_error():
    with pytest.raises(KeyError):
        Texts("en")("no.such.key")
