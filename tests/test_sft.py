"""Supervised fine-tuning through the stage's real entry point on random bases."""

import shutil

import pytest
import torch
from little_training import lines, run_stage, stop_after, write_dataset

from data.errors import UserError
from models.loading import load_tokenizer
from models.prompting import PromptFormat
from pipeline.commands.execute import resume
from pipeline.runs import checkpoints
from pipeline.runs.reader import list_runs
from pipeline.runs.record import Run
from pipeline.stages import sft
from pipeline.training import trainer as training


@pytest.fixture
def little(workspace):
    write_dataset(workspace)
    return workspace


def weights(run):
    return (run.model_dir / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_each_precision_learns_and_every_tensor_gets_a_gradient(little, random_base, precision):
    run = run_stage(little, "sft", random_base, precision, max_steps=6)
    results = run.record.results
    rows = lines(run, "metrics.jsonl")
    losses = [row["loss"] for row in rows if "loss" in row]
    assert run.record.status == "done" and results["steps"] == 6
    assert results["tensors_without_gradient"] == 0 and losses[-1] < losses[0]
    assert {"grad_norm", "learning_rate", "lr"} <= rows[0].keys()
    assert results["eval_loss"] == [row["eval_loss"] for row in rows if "eval_loss" in row][-1]
    assert run.record.attempts[-1].total_steps == 6


def test_a_llama_base_with_checkpointing_and_accumulation_trains_too(little, random_llama_base):
    run = run_stage(little, "sft", random_llama_base, "int4", gradient_checkpointing=True, micro_batch_size=2)
    assert run.record.results["tensors_without_gradient"] == 0


def test_the_loss_counts_the_response_and_its_end_only(random_base):
    text = PromptFormat(load_tokenizer(random_base))
    row = {"prompt": "\n\nHuman: hi\n\nAssistant:", "chosen": "Hello!"}
    example = sft.tokenise(text, [row], 96)[0]
    counted = [label for label in example["labels"] if label != -100]
    assert counted == text.encode_responses(["Hello!"])[0]
    assert example["input_ids"][: -len(counted)] == text.encode_prompt(row["prompt"], 96)


def test_samples_of_held_out_prompts_are_kept(little, random_base):
    run = run_stage(little, "sft", random_base, max_steps=2)
    samples = lines(run, "samples.jsonl")
    assert samples and {"step", "prompt", "response", "ended"} <= samples[0].keys()


def test_a_cancelled_run_resumes_bit_for_bit(little, random_base, monkeypatch):
    # 3 updates per epoch, so that the run crosses two epoch boundaries
    shape = {"max_steps": 8, "save_steps": 3, "lora_dropout": 0.1}
    whole = run_stage(little, "sft", random_base, **shape)
    undo = stop_after(monkeypatch, 5)
    cut = run_stage(little, "sft", random_base, **shape)
    undo()
    assert cut.record.status == "cancelled" and checkpoints.latest(cut.checkpoints_dir)[0] == 5
    again = resume(little, cut.id)
    assert again.record.status == "done" and again.record.attempts[-1].from_step == 5
    assert weights(again) == weights(whole)
    assert lines(again, "metrics.jsonl") == lines(whole, "metrics.jsonl")
    assert lines(again, "samples.jsonl") == lines(whole, "samples.jsonl")


def test_a_damaged_checkpoint_is_skipped_and_the_one_before_resumes_bit_for_bit(
    little, random_base, monkeypatch
):
    shape = {"max_steps": 7, "save_steps": 2}
    whole = run_stage(little, "sft", random_base, **shape)
    undo = stop_after(monkeypatch, 5)
    cut = run_stage(little, "sft", random_base, **shape)
    undo()
    newest = cut.checkpoints_dir / "checkpoint-5" / "trainables.safetensors"
    newest.write_bytes(newest.read_bytes()[:-8])
    again = resume(little, cut.id)
    assert again.record.attempts[-1].from_step == 4
    assert weights(again) == weights(whole)


def test_a_run_killed_after_its_last_checkpoint_finishes_without_another_step(little, random_base):
    run = run_stage(little, "sft", random_base)
    before = weights(run)
    shutil.rmtree(run.model_dir)
    run.change_attempt(status="failed")
    run.change(status="failed")
    again = resume(little, run.id)
    assert weights(again) == before and again.record.results["steps"] == 4


def test_a_loss_that_stays_not_finite_ends_the_run_and_keeps_the_last_good_checkpoint(
    little, random_base, monkeypatch
):
    real = sft._Trainer.compute_loss

    def broken(self, *args, **kwargs):
        loss = real(self, *args, **kwargs)
        return loss * float("nan") if self.model.training and self.state.global_step == 2 else loss

    monkeypatch.setattr(sft._Trainer, "compute_loss", broken)
    with pytest.raises(UserError, match="step 3, after 3 roll-backs"):
        run_stage(little, "sft", random_base)
    run = Run.load(little, list_runs(little)[0].id)
    assert run.record.status == "failed"
    assert [event.kind for event in run.record.events] == ["instability"] * 3
    assert lines(run, "metrics.jsonl")[-1] == {"step": 3, "loss": None}  # recorded as missing, not as 0
    step, path = checkpoints.latest(run.checkpoints_dir)
    saved = training.load_file(path / training.TRAINABLES)
    assert step == 2 and all(torch.isfinite(tensor).all() for tensor in saved.values())


def test_early_stopping_keeps_the_best_weights(little, random_base):
    run = run_stage(
        little, "sft", random_base, learning_rate=0.5, early_stopping_patience=2, max_steps=30, eval_steps=1
    )
    results = run.record.results
    losses = [row["eval_loss"] for row in lines(run, "metrics.jsonl") if "eval_loss" in row]
    assert results["steps"] < 30 and run.record.events[0].kind == "early stopping"
    assert results["best_eval_loss"] == results["eval_loss"] == min(losses)


def test_a_gradient_of_zero_is_reported_once(little, random_base, monkeypatch):
    real = sft._Trainer.compute_loss
    monkeypatch.setattr(sft._Trainer, "compute_loss", lambda self, *a, **k: real(self, *a, **k) * 0.0)
    run = run_stage(little, "sft", random_base)
    messages = [event.message for event in run.record.events if event.kind == "zero gradient"]
    # one at the first zero gradient, one at the end for the tensors without any gradient
    assert len(messages) == 2
    assert run.record.results["tensors_without_gradient"] > 0


def test_a_data_set_without_training_rows_is_refused(workspace, random_base):
    write_dataset(workspace, train=0)
    with pytest.raises(UserError, match="no training pairs"):
        run_stage(workspace, "sft", random_base)


def test_sequences_longer_than_the_base_has_positions_are_refused(little, random_base):
    with pytest.raises(UserError, match="512 positions"):
        run_stage(little, "sft", random_base, max_length=513)


def test_batches_hold_rows_of_similar_length_and_every_row_once():
    lengths = [(7 * i) % 50 for i in range(203)]
    sampler = training.LengthGrouped(lengths, 8, seed=1)
    first, second = list(sampler), list(sampler)
    sampler.set_epoch(1)
    third = list(sampler)
    assert sorted(first) == list(range(203)) and first == second and first != third
    batches = [[lengths[i] for i in first[at : at + 8]] for at in range(0, 200, 8)]
    assert sum(max(batch) - min(batch) for batch in batches) / len(batches) < 5
