"""Reward models, trained through the stage's real entry point on random bases."""

import random

import pytest
import torch
from little_training import easy_rows, lines, run_stage, stop_after, write_dataset
from safetensors.torch import load_file

from data import world
from models import adapters
from models.loading import device, load_tokenizer
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.commands.execute import resume
from pipeline.settings import layers as settings
from pipeline.stages import reward


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_each_precision_learns_an_easy_preference_and_scores_alike_when_reloaded(
    with_sft, random_base, precision, monkeypatch
):
    in_memory = {}
    real = reward.measure_on

    def measure_on(scorer, text, rows, *args, **kwargs):
        chosen, rejected = reward.sequences(text, rows, 96)
        in_memory["sequences"], in_memory["scores"] = chosen + rejected, scorer.score(chosen + rejected)
        return real(scorer, text, rows, *args, **kwargs)

    monkeypatch.setattr(reward, "measure_on", measure_on)
    run = run_stage(with_sft, "reward", random_base, precision, max_steps=8)
    results = run.record.results
    assert results["accuracy"] > 0.9 and results["accuracy_ci"][0] > 0.5
    assert results["tensors_without_gradient"] == 0 and not run.record.events
    assert {"auc", "ece", "brier", "n_pairs", "calibration", "bayes_accuracy"} <= results.keys()
    assert results["bayes_accuracy"] is None and results["split"] == "test" and results["n_pairs"] == 12

    reloaded = RewardModel.load(run.model_dir, random_base, precision, device())
    scores = reloaded.score(in_memory["sequences"])
    assert (scores - in_memory["scores"]).abs().max() == 0.0
    assert sorted(path.name for path in run.model_dir.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "head.safetensors", "model.json"
    ]  # fmt: skip


def test_the_adapter_starts_as_an_exact_copy_of_sft_in_every_precision(with_sft, random_base, monkeypatch):
    sft_run = next(path for path in with_sft.runs.iterdir() if "-sft-" in path.name)
    saved = load_file(sft_run / "model" / "adapter_model.safetensors")
    for precision in ("bf16", "int8", "int4"):
        started = {}

        def train(make, settings, reporter, started=started):
            learning = reward.trained.trainables(make(settings).model)
            started.update({name: p.detach().cpu().clone() for name, p in learning.items()})
            raise KeyboardInterrupt

        monkeypatch.setattr(reward.attempts, "train", train)
        with pytest.raises(KeyboardInterrupt):
            run_stage(with_sft, "reward", random_base, precision)
        lora = {name.replace(".reward.", "."): p for name, p in started.items() if "lora" in name}
        assert {p.dtype for p in started.values()} == {torch.float32}
        assert len(started) == len(lora) + 1  # the head is the remaining tensor
        assert lora.keys() == saved.keys() and all(torch.equal(lora[key], saved[key]) for key in saved)


def test_further_training_starts_from_the_earlier_adapter_and_head(with_sft, random_base, monkeypatch):
    first = run_stage(with_sft, "reward", random_base, "int8", max_steps=2)
    started = {}

    def train(make, settings, reporter):
        learning = reward.trained.trainables(make(settings).model)
        started.update({name: p.detach().cpu().clone() for name, p in learning.items()})
        raise KeyboardInterrupt

    monkeypatch.setattr(reward.attempts, "train", train)
    with pytest.raises(KeyboardInterrupt):
        run_stage(with_sft, "reward", random_base, "int8", start="reward", seed=7)
    saved = load_file(first.model_dir / "adapter_model.safetensors")
    lora = {name.replace(".reward.", "."): p for name, p in started.items() if "lora" in name}
    (head,) = (p for name, p in started.items() if "lora" not in name)
    assert lora.keys() == saved.keys() and all(torch.equal(lora[key], saved[key]) for key in saved)
    assert torch.equal(head, adapters.load_head(first.model_dir).weight)


@pytest.mark.parametrize("share", [True, False])
def test_a_margin_asks_for_a_lead_in_score(with_sft, random_base, share):
    """With about equal scores (a fresh head) the loss of a pair is ln(1 + e^lead): 0.693 without a lead,
    3.049 for 3 places."""
    near = {"max_steps": 1, "learning_rate": 1e-9, "share_prompts": share, "center_rewards": 0}
    rows = [{**row, "rejected": row["chosen"] + "!", "margin": 3} for row in easy_rows(44)]
    write_dataset(with_sft, rows=lambda count: rows)
    losses = [
        next(row["loss"] for row in lines(run, "metrics.jsonl") if "loss" in row)
        for run in (run_stage(with_sft, "reward", random_base, margin_scale=m, **near) for m in (0.0, 1.0))
    ]
    assert losses == [pytest.approx(0.693, abs=0.25), pytest.approx(3.049, abs=0.25)]


def test_pairs_without_a_margin_count_as_one_place_apart():
    rows = reward.with_leads([{"margin": 3}, {}], 0.5)
    assert [row["lead"] for row in rows] == [1.5, 0.5]
    assert reward.with_leads([{"margin": 3}], 0.0) == [{"margin": 3}]


def test_a_cancelled_run_resumes_bit_for_bit(with_sft, random_base, monkeypatch):
    shape = {"max_steps": 7, "save_steps": 3, "lora_dropout": 0.1, "early_stopping_patience": 5}
    whole = run_stage(with_sft, "reward", random_base, **shape)
    undo = stop_after(monkeypatch, 5)
    cut = run_stage(with_sft, "reward", random_base, **shape)
    undo()
    assert cut.record.status == "cancelled"
    again = resume(with_sft, cut.id)
    for name in ("adapter_model.safetensors", "head.safetensors"):
        assert (again.model_dir / name).read_bytes() == (whole.model_dir / name).read_bytes()
    assert lines(again, "metrics.jsonl") == lines(whole, "metrics.jsonl")
    assert again.record.results == whole.record.results


def test_a_model_no_better_than_chance_is_recorded_as_an_event(workspace, random_base):
    def noise(count):
        rows, flip = easy_rows(count), random.Random(1)
        return [
            {**row, "chosen": row["rejected"], "rejected": row["chosen"]} if flip.random() < 0.5 else row
            for row in rows
        ]

    write_dataset(workspace, rows=noise)
    run_stage(workspace, "sft", random_base, max_steps=2)
    run = run_stage(workspace, "reward", random_base, max_steps=2)
    assert "not above chance" in [event.kind for event in run.record.events]


def test_the_best_reachable_accuracy_is_golds_on_the_same_noisy_labels():
    rows = world.generate_splits(seed=3, train=1, validation=1, test=150)["test"]
    flipped = [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
    best = reward.bayes_accuracy(rows)
    assert 0.7 < best < 1.0 and reward.bayes_accuracy(flipped) == pytest.approx(1 - best)
    assert reward.bayes_accuracy(easy_rows(3)) is None
    same = [{**row, "rejected": row["chosen"]} for row in rows]
    assert reward.bayes_accuracy(same) == 0.5


def test_cross_prompt_puts_another_prompts_good_answer_on_the_rejected_side():
    rows = world.generate_splits(seed=3, train=400, validation=1, test=1)["train"]
    changed = reward.cross_prompt(rows, seed=1)
    new = [row for row, old in zip(changed, rows, strict=True) if row != old]
    assert 0.05 * len(rows) < len(new) < 0.2 * len(rows)
    good = {row["chosen"] for row in rows}
    assert all(row["rejected"] in good for row in new)
    assert changed == reward.cross_prompt(rows, seed=1)


def test_both_sides_of_a_pair_share_the_prompt_and_end_with_eos(random_base):
    text = PromptFormat(load_tokenizer(random_base))
    chosen, rejected = reward.sequences(text, easy_rows(2), 96)
    prompt = text.encode_prompt(easy_rows(2)[0]["prompt"], 96)
    assert chosen[0][: len(prompt)] == rejected[0][: len(prompt)] == prompt
    assert all(ids[-1] == text.eos_id for ids in chosen + rejected)


def test_the_head_is_fp32_and_its_updates_are_not_rounded(with_sft, random_base):
    run = run_stage(with_sft, "reward", random_base, "int4", max_steps=2, learning_rate=1e-4)
    weight = adapters.load_head(run.model_dir).weight
    assert weight.dtype == torch.float32 and not torch.equal(weight, weight.bfloat16().float())
    assert settings.build("reward", "tiny").center_rewards == 0.01


def test_loader_processes_do_not_change_the_result(with_sft, random_base):
    losses = []
    for workers in (0, 1):
        run = run_stage(with_sft, "reward", random_base, max_steps=3, loader_workers=workers)
        losses.append([row["loss"] for row in lines(run, "metrics.jsonl") if "loss" in row])
    assert losses[0] == losses[1]
