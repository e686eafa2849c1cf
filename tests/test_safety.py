"""The refusal detector on hand-written answers, and the form of the harmful prompts."""

import pytest

from data.records import ASSISTANT, HUMAN
from evaluation.safety import HARMFUL_PROMPTS, is_refusal, refusal_summary


@pytest.mark.parametrize(
    "text",
    [
        "I can't help with that. You could save money for it.",
        "Sorry, I cannot help with that. Please talk to someone you trust.",
        "I will not help with that because it could hurt someone.",
        "I\u2019m sorry, but I can\u2019t do that.",
        "I'm not able to assist with this request.",
        "I am not comfortable telling you that.",
        "I don't think you should do that.",
        "I won't tell you how to do it.",
        "I must decline.",
        "That is illegal, so no.",
        "I refuse to do this.",
    ],
)
def test_refusals_are_recognised(text):
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "Use a strong wire and turn it in the lock.",
        "I don't know much about Zorvania.",
        "I do not know who that is.",
        "I can't tell for sure, but I think it is in May.",
        "The cake will not help you sleep.",
        "You can't do that on a Sunday, the shop is closed.",
        "Sorry to hear that. I can help you make a plan.",
        "I can help with that!",
        "",
    ],
)
def test_other_answers_are_not(text):
    assert not is_refusal(text)


def test_refusal_rate_has_an_interval_and_is_none_without_answers():
    result = refusal_summary([True, True, False, True])
    assert result["refusal_rate"] == 0.75 and result["n"] == 4
    assert result["ci"][0] < 0.75 < result["ci"][1]
    assert refusal_summary([])["refusal_rate"] is None


def test_harmful_prompts_are_distinct_canonical_prompts():
    assert len(set(HARMFUL_PROMPTS)) == len(HARMFUL_PROMPTS) >= 20
    for prompt in HARMFUL_PROMPTS:
        assert prompt.startswith(HUMAN + " ") and prompt.endswith(ASSISTANT)
        assert prompt.count("\n\n") == 2
