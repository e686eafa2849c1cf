"""The dataclass of each stage: every setting with its default, bounds, help and unit.

Data only: `pipeline.settings.presets` has the values of the presets, `pipeline.settings.layers` builds the
settings from presets, YAML files and flags, and `pipeline.settings.stages` assigns the classes to the stages.
No torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass as settings_class

from pipeline.settings.every_stage import STRICT, StageSettings, setting


@settings_class(frozen=True, config=STRICT)
class PrepareSettings(StageSettings):
    """Make a data set of preference pairs."""

    source: str = setting(
        "tiny", "tiny, votes, hub:OWNER/NAME, FILE.jsonl or FOLDER; several with commas", max_length=4000
    )
    max_rows: int = setting(0, "Read at most this many rows; 0 = all", unit="rows", ge=0)
    train_rows: int = setting(6000, "Training pairs (tiny world)", unit="pairs", group="tiny world", ge=1)
    validation_rows: int = setting(
        500, "Validation pairs (tiny world)", unit="pairs", group="tiny world", ge=1
    )
    test_rows: int = setting(2000, "Test pairs (tiny world)", unit="pairs", group="tiny world", ge=1)
    validation_fraction: float = setting(
        0.05,
        "Share of prompts for validation if the source has no such split",
        group="splits",
        gt=0,
        lt=0.5,
    )
    test_fraction: float = setting(
        0.1, "Share of prompts for the test if the source has no such split", group="splits", gt=0, lt=0.5
    )
    judge_fraction: float = setting(
        0.0,
        "Share of the training prompts reserved for a judge; no other reward model sees them",
        group="splits",
        ge=0,
        lt=0.9,
    )
    tokens_of: str = setting(
        "", "Base whose tokens the two limits count; empty = no limits", group="lengths", max_length=1000
    )
    longest_prompt: int = setting(
        0,
        "Drop pairs with a longer prompt, if at least half of them remain; 0 = no limit",
        unit="tokens",
        group="lengths",
        ge=0,
    )
    longest_pair: int = setting(
        0,
        "Drop pairs whose prompt and longer response exceed this; 0 = no limit",
        unit="tokens",
        group="lengths",
        ge=0,
    )


@settings_class(frozen=True, config=STRICT)
class _Training(StageSettings):
    """The settings that all training stages share."""

    max_steps: int = setting(0, "Stop after this many updates; 0 = from epochs", unit="steps", ge=0)
    epochs: float = setting(1.0, "Passes over the data", unit="passes", gt=0, le=1000)
    batch_size: int = setting(32, "Examples per update", unit="examples", ge=1, le=65536)
    micro_batch_size: int = setting(
        16,
        "Examples in memory at once; gradients of the rest are accumulated",
        unit="examples",
        group="memory",
        ge=1,
        le=65536,
    )
    learning_rate: float = setting(1e-3, "Peak learning rate", gt=0, le=1)
    max_length: int = setting(
        192, "Longest prompt with response; a longer prompt loses its start", unit="tokens", ge=8, le=131072
    )
    warmup_ratio: float = setting(
        0.05, "Share of the steps in which the learning rate rises", group="optimizer", ge=0, le=1
    )
    lr_scheduler: Literal["linear", "cosine", "constant"] = setting(
        "cosine", "How the learning rate decays after the warm-up", group="optimizer"
    )
    max_grad_norm: float = setting(1.0, "Clip the gradient to this norm", group="optimizer", gt=0)
    weight_decay: float = setting(0.0, "Weight decay of AdamW", group="optimizer", ge=0, le=1)
    save_steps: int = setting(50, "Steps between checkpoints", unit="steps", group="checkpoints", ge=1)
    gradient_checkpointing: bool = setting(
        False, "Recompute activations in the backward pass: less memory, more time", group="memory"
    )
    compile: bool = setting(False, "Use torch.compile", group="memory")


@settings_class(frozen=True, config=STRICT)
class PretrainSettings(_Training):
    """Train the embedded base and its tokenizer on the tiny world."""

    vocab_size: int = setting(
        4096, "Size of the tokenizer's vocabulary", unit="tokens", group="shape", ge=300
    )
    layers: int = setting(4, "Transformer blocks", group="shape", ge=1, le=48)
    width: int = setting(256, "Width of the residual stream", group="shape", ge=16, le=4096)
    heads: int = setting(4, "Attention heads", group="shape", ge=1, le=64)
    max_rows: int = setting(0, "Dialogues to generate; 0 = as many as the steps need", unit="rows", ge=0)


@settings_class(frozen=True, config=STRICT)
class _Adapter(_Training):
    """The settings that all stages with a LoRA adapter share."""

    dataset: str = setting("", "Data set; empty = the newest of this preset", max_length=100)
    base_model: str = setting(
        "",
        "tiny, smollm2, a hub model, a local folder or FILE.gguf; empty = the parent's",
        group="model",
        max_length=1000,
    )
    max_rows: int = setting(0, "Use at most this many training rows; 0 = all", unit="rows", ge=0)
    lora_rank: int = setting(0, "Rank of the LoRA matrices; 0 = the parent's", group="model", ge=0, le=1024)
    lora_alpha: int = setting(0, "LoRA scale is alpha / rank; 0 = the parent's", group="model", ge=0, le=4096)
    lora_dropout: float = setting(0.0, "Dropout in the LoRA layers", group="model", ge=0, lt=1)


@settings_class(frozen=True, config=STRICT)
class _Supervised(_Adapter):
    """The settings that SFT and reward models, which learn from given answers, share."""

    split_base: bool = setting(
        False,
        "Distribute the base's blocks over all GPUs, for a base that one GPU cannot hold; one process",
        group="memory",
    )
    loader_workers: int = setting(
        0,
        "DataLoader workers; 0 is best for small data",
        unit="processes",
        group="memory",
        ge=0,
        le=64,
    )
    eval_steps: int = setting(
        25, "Steps between evaluations on the validation data", unit="steps", group="evaluation", ge=1
    )
    early_stopping_patience: int = setting(
        0,
        "Stop after this many evaluations without a better validation loss; 0 = off",
        group="evaluation",
        ge=0,
    )


@settings_class(frozen=True, config=STRICT)
class SftSettings(_Supervised):
    """Supervised fine-tuning on the chosen responses."""

    everyday_answers: int = setting(
        0,
        "Number of built-in everyday requests with short answers to add; their table repeats",
        unit="rows",
        group="safety",
        ge=0,
        le=2000,
    )
    refusals: int = setting(
        0,
        "Number of built-in refusals of harmful requests to add; their table repeats",
        unit="rows",
        group="safety",
        ge=0,
        le=2000,
    )
    practice_answers: int = setting(
        0,
        "Answers to each built-in request at the end, from which reward models with own_answers learn",
        unit="answers",
        group="safety",
        ge=0,
        le=8,
    )
    skip_evasions: bool = setting(
        False,
        'Leave out chosen responses that evade ("I\'m not sure what you mean")',
        group="safety",
    )


@settings_class(frozen=True, config=STRICT)
class _Preference(_Supervised):
    """The settings that all models of preferences share; batch_size counts pairs."""

    center_rewards: float = setting(
        0.01,
        "Weight of the penalty that keeps the mean reward of a pair near zero",
        group="regularisation",
        ge=0,
    )
    augmentation: Literal["off", "cross_prompt"] = setting(
        "off",
        "cross_prompt: sometimes use another prompt's chosen response as the rejected one",
        group="regularisation",
    )
    share_prompts: bool = setting(
        True,
        "Compute a pair's prompt once for both responses: same scores, less work",
        group="memory",
    )


@settings_class(frozen=True, config=STRICT)
class JudgeSettings(_Preference):
    """A reward model that judges policies: trained on pairs that no other reward model sees."""


@settings_class(frozen=True, config=STRICT)
class RewardSettings(_Preference):
    """A reward model on the SFT backbone."""

    sft_run: str = setting(
        "", "SFT run to start from; empty = the newest done", group="parents", max_length=100
    )
    start: Literal["sft", "reward"] = setting(
        "sft",
        "sft: a new head on the SFT adapter; reward: train an earlier reward model of this precision further",
        group="parents",
    )
    start_run: str = setting(
        "",
        "Reward run to train further; empty = the newest on the same SFT run that learnt from other data",
        group="parents",
        max_length=100,
    )
    margin_scale: float = setting(
        0.0,
        "Lead in score that a pair needs per place between its answers in people's order; 0 = off",
        group="regularisation",
        ge=0,
        le=10,
    )
    safety_pairs: int = setting(
        0,
        "Number of built-in pairs to add: harmful requests declined, harmless ones answered",
        unit="pairs",
        group="safety",
        ge=0,
        le=2000,
    )
    own_answers: bool = setting(
        False,
        "Put the SFT policy's own answers into the safety pairs; its run needs practice_answers",
        group="safety",
    )


@settings_class(frozen=True, config=STRICT)
class PpoSettings(_Adapter):
    """PPO against a reward model. batch_size counts prompts per step, epochs the passes over a rollout."""

    epochs: int = setting(4, "Passes over each rollout", unit="passes", ge=1, le=100)
    response_length: int = setting(48, "Longest response", unit="tokens", ge=1, le=8192)
    mode: Literal["controlled", "shared"] = setting(
        "controlled",
        "controlled: policy on a bf16 base, only the reward model has the precision; "
        "shared: everything on one base at that precision (least memory)",
    )
    reward: Literal["model", "gold", "bag-of-words"] = setting(
        "model",
        "gold: train on the tiny world's gold reward itself, which shows how much is possible; "
        "bag-of-words: on the words of the answer alone, which shows how much of the reward needs a model",
        group="parents",
    )
    scoring: Literal["", "int8", "int4", "rtn2", "rtn3"] = setting(
        "",
        "Number format of the reward model's base while it scores, to quantise it after its training; "
        "empty = that of its training; rtn2, rtn3 = rounded to 2 or 3 bits",
        group="parents",
    )
    sft_run: str = setting(
        "", "SFT run to start from; empty = the reward model's", group="parents", max_length=100
    )
    reward_run: str = setting(
        "", "Reward run; empty = the newest done of this precision", group="parents", max_length=100
    )
    safety_pairs: int = setting(
        0,
        "Number of built-in safety pairs whose prompts are added to the training prompts",
        unit="pairs",
        group="safety",
        ge=0,
        le=2000,
    )
    temperature: float = setting(
        0.7,
        "Sampling temperature of rollout, reference, update and evaluation",
        group="sampling",
        gt=0,
        le=10,
    )
    num_minibatches: int = setting(2, "Updates per epoch", group="ppo", ge=1, le=1024)
    kl_coef: float = setting(0.1, "Weight of the KL penalty in the reward", unit="per nat", group="ppo", ge=0)
    adaptive_kl: bool = setting(False, "Steer kl_coef towards kl_target", group="ppo")
    kl_target: float = setting(
        6.0, "Target of the adaptive controller", unit="nats per sequence", group="ppo", gt=0
    )
    kl_horizon: int = setting(
        10000, "Time constant of the adaptive controller", unit="sequences", group="ppo", ge=1
    )
    cliprange: float = setting(0.2, "Clip range of the probability ratio", group="ppo", gt=0, le=1)
    vf_cliprange: float = setting(0.2, "Clip range of the value update", group="ppo", gt=0)
    vf_coef: float = setting(0.1, "Weight of the value loss", group="ppo", ge=0)
    gamma: float = setting(1.0, "Discount", group="ppo", ge=0, le=1)
    lam: float = setting(0.95, "Lambda of the advantage estimate", group="ppo", ge=0, le=1)
    target_kl: float = setting(
        0.05,
        "End a step's epochs when the approximate KL to the rollout passes this; 0 = never",
        unit="nats per token",
        group="ppo",
        ge=0,
    )
    whiten_advantages: bool = setting(True, "Whiten advantages over the rollout", group="ppo")
    score_clip: float = setting(
        5.0, "Clip standardised scores at this; 0 = off", unit="sd", group="ppo", ge=0
    )
    missing_eos_penalty: float = setting(
        1.0, "Subtracted from the score of a response without an end", unit="sd", group="ppo", ge=0
    )
    eval_prompts: int = setting(
        256, "Held-out prompts of the final evaluation", unit="prompts", group="evaluation", ge=1
    )
    sample_steps: int = setting(
        5, "Steps between recorded sample responses", unit="steps", group="evaluation", ge=1
    )
    safety_steps: int = setting(
        10, "Steps between safety probes; 0 = off", unit="steps", group="evaluation", ge=0
    )

    snapshots: bool = setting(
        False,
        "Keep the adapter of each checkpoint, so that evaluate can show the best step",
        group="checkpoints",
    )

    @property
    def unneeded(self) -> tuple[str, ...]:
        return () if self.reward == "model" else ("reward",)


@settings_class(frozen=True, config=STRICT)
class EvaluateSettings(StageSettings):
    """Evaluate SFT and the PPO policies on held-out prompts, with every reward model, judge and gold."""

    dataset: str = setting("", "Data set; empty = the newest of this preset", max_length=100)
    sft_run: str = setting("", "SFT run; empty = the newest done", group="parents", max_length=100)
    judge_run: str = setting(
        "", "Judge; empty = the newest done, if there is one", group="parents", max_length=100
    )
    eval_prompts: int = setting(256, "Held-out prompts", unit="prompts", ge=1)
    safety_prompts: int = setting(64, "Harmful prompts of the safety probe", unit="prompts", ge=0)
    card_prompts: int = setting(
        64,
        "Held-out prompts that SFT answers four times for the reward models' report cards; 0 = no cards",
        unit="prompts",
        group="evaluation",
        ge=0,
    )
    batch_size: int = setting(64, "Responses generated at once", unit="prompts", group="memory", ge=1)
    max_length: int = setting(192, "Longest prompt with response", unit="tokens", group="sampling", ge=8)
    response_length: int = setting(48, "Longest response", unit="tokens", group="sampling", ge=1)
    temperature: float = setting(0.7, "Sampling temperature; the rollout's", group="sampling", gt=0, le=10)


@settings_class(frozen=True, config=STRICT)
class MeasureSettings(StageSettings):
    """Measure one policy of a study, with its snapshots, on the prompts that all its policies answer."""

    dataset: str = setting("", "Data set; empty = the newest of this preset", max_length=100)
    policy: Literal["ppo", "sft"] = setting("ppo", "What is measured: a PPO run or its SFT run")
    sft_run: str = setting("", "SFT run; empty = the PPO run's", group="parents", max_length=100)
    ppo_run: str = setting(
        "", "PPO run; empty = the newest done of this precision", group="parents", max_length=100
    )
    prompts: str = setting(
        "", "Data set whose test split has the prompts; empty = the policy's own", max_length=100
    )
    eval_prompts: int = setting(2000, "Held-out prompts", unit="prompts", ge=1)
    batch_size: int = setting(64, "Responses generated at once", unit="prompts", group="memory", ge=1)
    max_length: int = setting(192, "Longest prompt with response", unit="tokens", group="sampling", ge=8)
    response_length: int = setting(48, "Longest response", unit="tokens", group="sampling", ge=1)
    temperature: float = setting(0.7, "Sampling temperature; the rollout's", group="sampling", gt=0, le=10)

    @property
    def unneeded(self) -> tuple[str, ...]:
        return ("ppo",) if self.policy == "sft" else ()
