"""The report cards on the page: a column per precision, what stands out, and why a line is missing."""

from types import SimpleNamespace

import pytest

from evaluation.reward_card import Batch, BestOf, Card, Estimate
from pipeline.runs import cards
from pipeline.runs.reader import RunReader
from pipeline.runs.record import Run
from pipeline.settings.layers import build
from ui import report_card
from ui.texts import Texts

T = Texts("en")


def card(**changes):
    usual = {
        "accuracy": Estimate(0.81, 0.009, 2000), "bayes": 0.85, "by_kind": {"fact": Estimate(0.9, 0.01, 900)},
        "seen": Estimate(0.82, 0.01, 1500), "unseen": Estimate(0.8, 0.02, 500),
        "specificity": Estimate(0.8, 0.02, 300), "variance": 4.0, "within": 0.6,
        "length": Estimate(-0.05, 0.01, 256), "politeness": Estimate(0.1, 0.02, 256),
        "best_of": BestOf(4, Estimate(0.1, 0.01, 64), Estimate(0.2, 0.01, 64), 0.5),
        "batch": Batch(0.001, 0.0, 32), "ece": 0.02, "temperature": 1.1, "absent": {},
    }  # fmt: skip
    return Card(**(usual | changes))


@pytest.fixture
def services(workspace):
    return SimpleNamespace(workspace=workspace, runs=RunReader(workspace))


def reward_run(workspace, precision):
    run = Run.create(workspace, "reward", build("reward", "tiny", precision=precision))
    run.start_attempt()
    run.finish({})
    return run


def shown(services, t=T):
    return report_card.show(services, "tiny", "", t)[1]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_newest_models_have_a_column_each(services, language):
    t = Texts(language)
    for precision, accuracy in (("bf16", 0.81), ("int4", 0.79)):
        run = reward_run(services.workspace, precision)
        made = card(accuracy=Estimate(accuracy, 0.009, 2000))
        cards.write(services.workspace, run.id, made, seed=42, prompts=64)
    html = shown(services, t)
    assert "0.810 ± 0.009" in html and "0.790 ± 0.009" in html and html.count("bf16") == html.count("int4")
    assert all(t(key) in html for key in ("card.unseen", "kind.fact", "card.says.good", "card.about.batch"))
    assert "50 %" in html and "−0.050 ± 0.010" in html


def test_without_a_card_the_page_names_the_command(services):
    assert shown(services) == ""
    run = reward_run(services.workspace, "int8")
    assert f"python -m pipeline card {run.id}" in shown(services)


def test_missing_lines_have_their_reason(services):
    run = reward_run(services.workspace, "bf16")
    bare = card(bayes=None, by_kind=None, seen=None, unseen=None, specificity=None, best_of=None, absent={
        "by_kind": "kinds", "seen": "subjects", "unseen": "subjects", "specificity": "gold", "best_of": "gold"
    })  # fmt: skip
    cards.write(services.workspace, run.id, bare, seed=42, prompts=24)
    html = shown(services)
    assert html.count(T("card.absent.gold").replace("'", "&#x27;")) == 1
    assert T("card.specificity") not in html and T("card.seen") not in html and T("card.length") in html


def says(**changes):
    return report_card.reading({"int4": card(**changes).to_json()}, T)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"unseen": Estimate(0.6, 0.02, 500)}, "by heart"),
        ({"length": Estimate(0.5, 0.05, 256)}, "rewards length (per 10 words) as such"),
        ({"politeness": Estimate(-0.5, 0.05, 256)}, "punishes courtesies (each) as such"),
        ({"specificity": Estimate(0.52, 0.02, 300)}, "cannot be told from chance"),
        ({"batch": Batch(0.5, 0.1, 32)}, "depends on the batch"),
    ],
)
def test_what_stands_out_is_said(changes, word):
    ((mood, text),) = says(**changes)
    assert mood == "warn" and word in text and "int4" in text


def test_a_difference_within_its_standard_error_is_not_said():
    ((mood, _),) = says(unseen=Estimate(0.68, 0.1, 20), length=Estimate(0.4, 0.3, 256))
    assert mood == "good"


def test_a_damaged_card_hides_nothing_else(services):
    run = reward_run(services.workspace, "bf16")
    (run.folder / cards.FILE).write_text("{}")
    assert "python -m pipeline card" in shown(services)
