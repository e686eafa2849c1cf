"""The code that the PPO benchmarks share: bases with random weights, a workspace with parent runs, sizes.

A base has the shape of the model in its name and seeded random weights: time and memory are those of the real
model, but scores and KL have no meaning. Its tokenizer has one token per byte, so that the length of a prompt can
be chosen. This module measures nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)

from data.datasets import write_splits
from data.workspace import Workspace
from models import adapters, loading
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents
from pipeline.settings.fields import PpoSettings
from pipeline.settings.layers import build

LORA_RANK, LORA_ALPHA = 16, 32
TEMPERATURE = 0.7


@dataclass(frozen=True)
class Case:
    """One size: the shape of the base, prompts per step, lengths in tokens, and the use of a rollout.

    A base with `key_heads` is a Llama with tied embeddings; one without is a GPT-2.
    """

    base: str
    layers: int
    width: int
    heads: int
    vocabulary: int
    batch: int
    prompt_length: int
    response_length: int
    micro_batch: int
    epochs: int = 4
    minibatches: int = 1
    key_heads: int = 0
    inner: int = 0  # width of the Llama's MLP

    @property
    def block_weights(self) -> int:
        """Number of weights in the matrices of one block."""
        if not self.key_heads:
            return 12 * self.width**2
        return self.block_weights_after_attention + self.width**2 + 2 * self._keys * self.width

    @property
    def block_weights_after_attention(self) -> int:
        """Those of the output projection and the MLP, which the last block applies only to used positions."""
        return 9 * self.width**2 if not self.key_heads else self.width**2 + 3 * self.width * self.inner

    @property
    def _keys(self) -> int:
        return self.width * self.key_heads // self.heads

    @property
    def name(self) -> str:
        return f"{self.base} {self.batch}x({self.prompt_length}+{self.response_length})"


CASES = {
    "distilgpt2-8": Case("distilgpt2", 6, 768, 12, 50257, 8, 64, 64, 4),
    "distilgpt2-32": Case("distilgpt2", 6, 768, 12, 50257, 32, 128, 128, 4),
    "smollm2-8": Case("smollm2", 30, 576, 9, 49152, 8, 64, 64, 4, key_heads=3, inner=1536),
    "smollm2-32": Case("smollm2", 30, 576, 9, 49152, 32, 128, 128, 4, key_heads=3, inner=1536),
    "tiny": Case("tiny", 4, 256, 4, 4096, 48, 64, 48, 24),
}


def make_base(case: Case, folder: Path, tokenizer: Path | None = None) -> None:
    """Write the case's base: its shape with seeded random weights in bf16, and a tokenizer."""
    words = byte_tokenizer()
    if tokenizer is not None:
        words = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)
    torch.manual_seed(0)
    config = _config(case, words)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    words.save_pretrained(folder)


def _config(case: Case, words: PreTrainedTokenizerFast) -> PretrainedConfig:
    special = {
        "bos_token_id": words.eos_token_id,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }
    if not case.key_heads:
        return GPT2Config(
            vocab_size=case.vocabulary,
            n_positions=1024,
            n_embd=case.width,
            n_layer=case.layers,
            n_head=case.heads,
            **special,
        )
    return LlamaConfig(
        vocab_size=case.vocabulary,
        max_position_embeddings=8192,
        rope_theta=100_000.0,
        hidden_size=case.width,
        intermediate_size=case.inner,
        num_hidden_layers=case.layers,
        num_attention_heads=case.heads,
        num_key_value_heads=case.key_heads,
        tie_word_embeddings=True,
        **special,
    )


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte, and separate EOS and pad tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: k for k, token in enumerate(["<|endoftext|>", "<|pad|>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|pad|>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|pad|>")


def make_workspace(case: Case, root: Path, base: Path, precisions: Sequence[str], prompts: int = 256) -> None:
    """A data set, an SFT run, and one reward run per precision: adapters with small random weights."""
    workspace = Workspace(root).create()
    generator = torch.Generator().manual_seed(1)
    rows = []
    for _ in range(prompts):
        letters = bytes(
            torch.randint(97, 123, (2 * case.prompt_length,), generator=generator).tolist()
        ).decode()
        rows.append({"prompt": f"\n\nHuman: {letters}\n\nAssistant:", "chosen": "", "rejected": ""})
    write_splits(workspace.dataset("bench"), {"train": rows, "test": rows[:8]})
    model = loading.load_causal(base, "bf16", torch.device("cpu"))
    shape = adapters.lora_config(model, LORA_RANK, LORA_ALPHA)
    for name in ("sft", "reward"):
        model = adapters.attach(model, shape, name)
        for parameter in adapters.adapter_parameters(model, name).values():
            parameter.data = 0.01 * torch.randn(parameter.shape, generator=generator)
    adapters.save(model, workspace.run("sft") / "model", "sft", base=base, precision="bf16")
    head = loading.Head(case.width)
    torch.nn.init.normal_(head.weight, std=case.width**-0.5, generator=generator)
    for precision in precisions:
        folder = workspace.run(f"reward-{precision}") / "model"
        adapters.save(model, folder, "reward", base=base, precision=precision, head=head)


def make_run(
    case: Case, workspace: Workspace, base: Path, precision: str, mode: str, **overrides
) -> tuple[PpoSettings, Run]:
    """Settings and a run for `pipeline.ppo.loop.Trainer`, without early stopping and checkpoints."""
    values = {
        "base_model": base,
        "mode": mode,
        "batch_size": case.batch,
        "micro_batch_size": case.micro_batch,
        "max_length": case.prompt_length + case.response_length,
        "response_length": case.response_length,
        "epochs": case.epochs,
        "num_minibatches": case.minibatches,
        "temperature": TEMPERATURE,
        "max_steps": 1000,
        "save_steps": 100_000,
        "sample_steps": 100_000,
        "safety_steps": 0,
        "target_kl": 0,
        **overrides,
    }
    lines = [f"{name}={value}" for name, value in values.items()]
    settings = build("ppo", "edge", precision=precision, overrides=lines)
    run = Run.create(workspace, "ppo", settings)
    run.start_attempt()
    parents = {"dataset": "bench", "sft": "sft", "reward": f"reward-{precision}"}
    run.change(parents=Parents.from_json(parents, precision))
    return settings, run
