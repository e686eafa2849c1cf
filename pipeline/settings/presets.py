"""The table of the presets: for each stage, the values that differ from those in `pipeline.settings.fields`.

Data only; this is the table to change when a preset is tuned. No torch.
"""

from __future__ import annotations

from typing import Any


def preset_values(stage: str, preset: str) -> dict[str, Any]:
    """The values of a preset that differ from the defaults of the fields; {} for a stage without any."""
    table: dict[str, dict[str, dict[str, Any]]] = {
        "tiny": {
            "prepare": dict(source="tiny", train_rows=15_000),
            "pretrain": dict(
                max_steps=1600,
                batch_size=96,
                micro_batch_size=96,
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
                max_steps=500,
                eval_steps=250,
                save_steps=100,
                max_length=192,
                augmentation="cross_prompt",
            ),
            "ppo": dict(
                learning_rate=2.5e-3,
                kl_coef=0.05,
                batch_size=64,
                micro_batch_size=32,
                num_minibatches=1,
                epochs=2,
                max_steps=40,
                save_steps=10,
                max_length=192,
                response_length=48,
                lr_scheduler="linear",
                warmup_ratio=0.0,
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
                learning_rate=1.5e-4,
                batch_size=16,
                micro_batch_size=4,
                max_steps=30,
                everyday_answers=400,
                max_length=320,
                save_steps=20,
                eval_steps=60,
            ),
            "reward": dict(
                learning_rate=1e-3,
                batch_size=8,
                micro_batch_size=4,
                max_steps=100,
                max_length=320,
                save_steps=20,
                eval_steps=100,
                augmentation="cross_prompt",
                safety_pairs=600,
            ),
            # Nothing of its shape is inherited. One pass over about 630 pairs: a second one would learn them
            # by heart.
            "judge": dict(
                base_model="smollm2",
                lora_rank=32,
                lora_alpha=64,
                learning_rate=5e-4,
                batch_size=8,
                micro_batch_size=4,
                max_length=320,
                save_steps=20,
                eval_steps=40,
            ),
            "ppo": dict(
                learning_rate=5e-4,
                batch_size=24,
                micro_batch_size=8,
                num_minibatches=1,
                epochs=2,
                max_steps=14,
                save_steps=4,
                max_length=288,
                response_length=64,
                kl_coef=0.15,
                safety_pairs=150,
                eval_prompts=48,
                sample_steps=2,
                safety_steps=7,
                lr_scheduler="linear",
                warmup_ratio=0.0,
                snapshots=True,
            ),
            "evaluate": dict(
                max_length=288, response_length=64, batch_size=32, eval_prompts=48, safety_prompts=24
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
    return table[preset].get(stage, {})
