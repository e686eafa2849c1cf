"""The verdict of an evaluation goes by intervals, and says no more than they do."""

import pytest

from ui import evaluation_verdict
from ui.texts import Texts

T = Texts("en")


def row(policy, gold=None, sd=0.2, n=256, won=None):
    return {"policy": policy, "gold": gold, "gold_sd": sd, "n": n, "gold_win_rate_ci": won}


def said(*rows):
    return " ".join(text for _, text in evaluation_verdict.verdict(rows, T))


def test_interval_of_a_mean_is_1_96_standard_errors_wide_on_each_side():
    low, high = evaluation_verdict.gold_intervals([row("sft", 0.5, sd=0.2, n=400)])["sft"]
    assert (low, high) == pytest.approx((0.5 - 0.0196, 0.5 + 0.0196))


def test_all_better_and_no_difference_between_precisions():
    text = said(
        row("sft", 0.5), row("ppo-bf16", 0.80, won=[0.7, 0.8]), row("ppo-int4", 0.79, won=[0.68, 0.8])
    )
    assert "improved on SFT with every reward model (ppo-bf16, ppo-int4)" in text
    assert "no difference is visible" in text and "does not prove" in text


def test_one_that_is_not_clearly_better_is_not_named():
    text = said(row("sft", 0.5), row("ppo-bf16", 0.8, won=[0.7, 0.8]), row("ppo-int4", 0.52, won=[0.45, 0.6]))
    assert "improved on SFT for ppo-bf16;" in text
    assert "ppo-bf16 has a higher gold reward than ppo-int4" in text


def test_none_better_is_a_warning():
    ((mood, _), *_) = evaluation_verdict.verdict([row("sft"), row("ppo-int8", won=[0.4, 0.6])], T)
    assert mood == "warn"


def test_without_gold_the_own_reward_model_decides_and_precisions_are_not_compared():
    policy = row("ppo-int8") | {"win_rate_vs_sft_ci": [0.55, 0.7]}
    text = said(row("sft"), policy)
    assert "every reward model" in text and "reward models that PPO was trained against" in text
    assert "precisions" not in text


def test_sft_alone_is_no_comparison():
    assert "Only the SFT model" in said(row("sft", 0.5))
