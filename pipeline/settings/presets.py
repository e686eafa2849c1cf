"""The table of the presets: for each stage, the values that differ from those in `pipeline.settings.fields`.

Data only; this is the table to change when a preset is tuned. No torch.
"""

from __future__ import annotations

from typing import Any


def preset_values(stage: str, preset: str, gpu: bool = False) -> dict[str, Any]:
    """The values of a preset that differ from the defaults of the fields; {} for a stage without any.

    gpu: whether the machine has a GPU.
    """
    table: dict[str, dict[str, dict[str, Any]]] = {
        "tiny": {
            "prepare": dict(source="tiny", train_rows=32_000),
            "pretrain": dict(
                max_steps=2400,
                batch_size=96,
                micro_batch_size=48,
                learning_rate=3e-3,
                max_length=256,
                vocab_size=2048,
                save_steps=200,
            ),
            "sft": dict(
                base_model="tiny",
                lora_rank=16,
                lora_alpha=32,
                learning_rate=2e-3,
                batch_size=64,
                micro_batch_size=64,
                max_steps=60,
                eval_steps=30,
                max_length=192,
            ),
            "reward": dict(
                learning_rate=2.5e-3,
                batch_size=32,
                micro_batch_size=32,
                max_steps=1200,
                eval_steps=600,
                save_steps=100,
                max_length=192,
                augmentation="cross_prompt",
            ),
            "ppo": dict(
                learning_rate=1.2e-3,
                kl_coef=0.02,
                batch_size=64,
                micro_batch_size=32,
                num_minibatches=1,
                epochs=2,
                max_steps=60,
                save_steps=10,
                max_length=192,
                response_length=48,
                lr_scheduler="linear",
                warmup_ratio=0.0,
                snapshots=True,
            ),
            "evaluate": dict(max_length=192, response_length=48),
        },
        "small": {
            # HH's answers: half are under 50 tokens, nine in ten under 120.
            "prepare": dict(
                source="hub:Anthropic/hh-rlhf",
                max_rows=4000,
                tokens_of="smollm2",
                longest_prompt=224,
                longest_pair=320,
                validation_fraction=0.05,
                test_fraction=0.1,
                judge_fraction=0.4,
            ),
            "pretrain": {},
            "sft": dict(
                base_model="smollm2",
                lora_rank=8,
                lora_alpha=16,
                learning_rate=1e-3,
                batch_size=16,
                micro_batch_size=4,
                max_rows=500,
                max_steps=147,
                everyday_answers=1446,  # each twice
                refusals=400,
                skip_evasions=True,
                practice_answers=2,
                max_length=320,
                save_steps=20,
                eval_steps=60,
            ),
            "reward": dict(
                learning_rate=5e-4,
                batch_size=8,
                micro_batch_size=4,
                max_steps=255,
                max_length=320,
                save_steps=20,
                eval_steps=255,
                augmentation="cross_prompt",
                safety_pairs=1194,
                own_answers=True,
            ),
            # Nothing of its shape is inherited. One pass over about 630 pairs: a second one would learn them
            # by heart.
            "judge": dict(
                base_model="smollm2",
                lora_rank=32,
                lora_alpha=64,
                learning_rate=5e-4,
                batch_size=8,
                micro_batch_size=2,  # rank 32 takes more than the reward models
                max_length=320,
                save_steps=20,
                eval_steps=40,
            ),
            "ppo": dict(
                learning_rate=1e-3,
                batch_size=24,
                micro_batch_size=8,
                num_minibatches=1,
                epochs=2,
                max_rows=200,
                max_steps=24,
                save_steps=8,
                max_length=288,
                response_length=64,
                temperature=0.7,
                kl_coef=0.05,
                # The first token decides whether an answer declines, and the reward comes after the last one.
                lam=1.0,
                missing_eos_penalty=0.5,
                safety_pairs=800,
                eval_prompts=48,
                sample_steps=2,
                safety_steps=8,
                lr_scheduler="linear",
                warmup_ratio=0.0,
                snapshots=True,
            ),
            "evaluate": dict(
                max_length=288,
                response_length=64,
                temperature=0.7,
                batch_size=32,
                eval_prompts=64,
                safety_prompts=32,
                card_prompts=24,
            ),
        },
        "edge": {
            "prepare": dict(source="hub:Anthropic/hh-rlhf", judge_fraction=0.2),
            "pretrain": {},
            "sft": dict(
                base_model="distilgpt2",
                lora_rank=16,
                lora_alpha=32,
                learning_rate=2e-4,
                batch_size=32,
                micro_batch_size=8,
                max_length=512,
                save_steps=200,
                eval_steps=200,
            ),
            "reward": dict(
                learning_rate=2e-4,
                batch_size=32,
                micro_batch_size=8,
                max_length=512,
                save_steps=200,
                eval_steps=200,
            ),
            "judge": dict(
                base_model="distilgpt2",
                lora_rank=32,
                lora_alpha=64,
                learning_rate=2e-4,
                batch_size=32,
                micro_batch_size=8,
                max_length=512,
                save_steps=200,
                eval_steps=200,
            ),
            "ppo": dict(
                learning_rate=5e-5,
                batch_size=32,
                micro_batch_size=8,
                max_steps=200,
                save_steps=20,
                max_length=512,
                response_length=64,
                kl_coef=0.05,
                lr_scheduler="linear",
                warmup_ratio=0.0,
                snapshots=True,
            ),
            "evaluate": dict(max_length=512, response_length=64, batch_size=32),
        },
    }
    # On a GPU a pass of a deep, narrow model takes the same time for few rows as for many (docs/gpu.md), and
    # whole batches fit into 8 GB. On a CPU the micro-batches above keep a stage below 4 GB.
    on_gpu: dict[tuple[str, str], dict[str, Any]] = {
        ("small", "sft"): dict(micro_batch_size=16),
        ("small", "reward"): dict(micro_batch_size=8),
        ("small", "judge"): dict(micro_batch_size=8),
        ("small", "ppo"): dict(micro_batch_size=24),
        ("small", "evaluate"): dict(batch_size=128),
    }
    return table[preset].get(stage, {}) | (on_gpu.get((preset, stage), {}) if gpu else {})
