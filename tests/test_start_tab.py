"""The Start tab: the pipeline with its state, and terms explained where they stand."""

from types import SimpleNamespace

import pytest

from pipeline.runs.lineage import Lineage
from pipeline.runs.reader import RunReader
from pipeline.runs.record import Run
from pipeline.settings.layers import build
from ui import start_tab, terms
from ui.texts import Texts


@pytest.fixture
def services(workspace):
    return SimpleNamespace(workspace=workspace, runs=RunReader(workspace))


def test_the_picture_leads_to_every_step_and_shows_its_state(services):
    run = Run.create(services.workspace, "reward", build("reward", precision="int8"))
    run.start_attempt()
    picture = start_tab.picture_html(Lineage(services.runs), "tiny", Texts("en"))
    for tab in ("data", "sft", "reward", "ppo", "evaluation", "arena"):
        assert f'href="#{tab}"' in picture
    assert 'class="chip running" title="running">int8' in picture
    assert 'class="chip missing" title="not done yet">int4' in picture


def test_the_running_run_has_its_card_here(services):
    hidden = start_tab.show(services, "tiny", "", Texts("en"))
    assert not hidden[2].visible
    run = Run.create(services.workspace, "sft", build("sft"))
    run.start_attempt()
    seen, _, row, card, cancel = start_tab.show(services, "tiny", "", Texts("en"))
    assert row.visible and run.id[-4:] in card and cancel.interactive
    assert all(part == {"__type__": "update"} for part in start_tab.show(services, "tiny", seen, Texts("en")))


@pytest.mark.parametrize("language, word", [("en", "PPO"), ("zh", "奖励模型")])
def test_a_term_is_explained_once_where_it_first_stands(language, word):
    t = Texts(language)
    html = terms.explained(f"{word} <b> {word}", t)
    assert html.count('class="term"') == 1 and html.startswith(
        f'<button type="button" class="term">{word}<span'
    )
    assert html.endswith(f"&lt;b&gt; {word}")


def test_a_term_inside_another_word_is_left_alone():
    assert terms.explained("KLM and preppo", Texts("en")) == "KLM and preppo"


@pytest.mark.parametrize("term", terms.TERMS, ids=lambda term: term.key)
def test_every_term_is_found_in_both_languages(term):
    for language in ("en", "zh"):
        t = Texts(language)
        words = {"reward_model": "reward model", "gold": "gold reward", "pair": "preference pair"}
        word = term.chinese if language == "zh" else words.get(term.key, {"bits": "bf16"}.get(term.key, ""))
        word = word or {"tiny_world": "tiny world", "policy": "policies"}.get(term.key, term.key.upper())
        assert t(f"term.{term.key}")[:10] in terms.explained(word, t)
