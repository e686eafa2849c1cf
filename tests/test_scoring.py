"""Reward models in the arena, for real: the inference process scores what people judged."""

import pytest
from little_policies import save_policies
from little_training import run_stage

from models.loading import device, load_tokenizer
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.arena import rewards
from pipeline.arena.client import InferenceClient
from pipeline.arena.rewards import ArenaReward
from pipeline.arena.rounds import Arena


def test_the_inference_process_scores_a_round_as_the_reward_model_does(
    with_sft, random_base, tmp_path, monkeypatch
):
    runs = {p: run_stage(with_sft, "reward", random_base, p, max_steps=2) for p in ("bf16", "int8")}
    found = [ArenaReward(run.id, precision, f"ppo-{precision}") for precision, run in runs.items()]
    monkeypatch.setattr(rewards, "reward_models", lambda workspace, lineup: found)
    save_policies(random_base, tmp_path / "demo")
    arena = Arena(with_sft, InferenceClient(with_sft), demos={"tiny": tmp_path / "demo"})
    try:
        view = list(arena.ask("What is tea?", "ann"))[-1]
        told = arena.vote(view.round, "A>B>C>D", rater="ann")
        scores = arena.reward_scores(view.round, "ann")
    finally:
        arena.close()

    form = PromptFormat(load_tokenizer(random_base))
    prompt = form.encode_prompt("\n\nHuman: What is tea?\n\nAssistant:", 1000)
    texts = {told["policies"][letter]: text for letter, text in view.answers.items()}
    assert set(scores) == {"bf16", "int8"}
    for precision, run in runs.items():
        model = RewardModel.load(run.model_dir, random_base, precision, device())
        expected = model.score([prompt + ids for ids in form.encode_responses(list(texts.values()))]).tolist()
        assert scores[precision] == pytest.approx(dict(zip(texts, expected, strict=True)), abs=1e-4)
