"""Measures single operations of models/fast against the code that they replace, in bf16 on a CPU.

Both versions of an operation are called alternately, so that a slow phase of the machine affects both; each
figure is the smallest CPU time of `--calls` calls. One thread is used by default, because CPU time then does not
depend on other load. "backward" rows include the forward pass.

    python -m benchmarks.fast_parts [--calls 60] [--threads 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import LlamaConfig
from transformers.activations import NewGELUActivation
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.llama.modeling_llama import (
    LlamaAttention,
    LlamaMLP,
    LlamaRMSNorm,
    rotate_half,
)

from data.files import write_json
from models.fast import attention, decoding, lora, rotary, siblings
from models.fast.gelu import TanhGELU
from models.fast.logprobs import plain_logprobs, token_logprobs
from models.fast.rms_norm import RMSNorm
from models.fast.swiglu import swiglu, swiglu_of_both
from pipeline.runs.hardware import hardware

TOKENS, WIDTH, INNER, HEADS, VOCABULARY = 512, 576, 1536, 9, 49152  # SmolLM2-135M's shape
Work = Callable[[], object]


class Pair(NamedTuple):
    """One operation: the code that is replaced, and this project's code."""

    name: str
    plain: Work
    fast: Work


def random(*shape: int, grad: bool = False) -> torch.Tensor:
    """bf16 numbers from the global generator."""
    return torch.randn(*shape).to(torch.bfloat16).requires_grad_(grad)


def backward(forward: Callable[[], torch.Tensor], like: torch.Tensor) -> Work:
    """A call of `forward` with the backward pass of a fixed gradient."""
    return lambda: forward().backward(like)


def both(name: str, plain: Callable, fast: Callable, *shape: int, out: int = 0) -> Iterator[Pair]:
    """The forward pass without gradients, and forward and backward pass, of functions of one tensor."""
    x, grad = random(*shape, grad=True), random(*shape[:-1], out or shape[-1])
    still = x.detach()
    yield Pair(name, torch.no_grad()(lambda: plain(still)), torch.no_grad()(lambda: fast(still)))
    yield Pair(f"{name}, backward", backward(lambda: plain(x), grad), backward(lambda: fast(x), grad))


def pairs() -> Iterator[Pair]:
    """All operations that are measured."""
    few, weight = random(8, WIDTH), random(2 * INNER, WIDTH)
    packed = decoding.Packed(weight, None)
    name = f"decoding: 8 x {WIDTH} x {2 * INNER}"
    yield Pair(name, lambda: nn.functional.linear(few, weight), lambda: packed(few))

    norm = LlamaRMSNorm(WIDTH).to(torch.bfloat16).requires_grad_(False)
    quick = RMSNorm(norm.weight, norm.variance_epsilon)
    yield from both(f"rms_norm: {TOKENS} x {WIDTH}", norm, quick, TOKENS, WIDTH)

    size = WIDTH // HEADS
    cos, sin = random(1, TOKENS, 1, size), random(1, TOKENS, 1, size)
    signed = rotary.signed(sin)
    yield from both(
        f"rotary: {TOKENS} tokens x {HEADS} heads of {size}",
        lambda x: x * cos + rotate_half(x) * sin,
        lambda x: rotary.rotate(x, cos, signed),
        *(1, TOKENS, HEADS, size),
    )

    up = random(TOKENS, INNER, grad=True)
    yield from both(
        f"swiglu: {TOKENS} x {INNER}",
        lambda x: nn.functional.silu(x) * up,
        lambda x: swiglu(x, up),
        TOKENS,
        INNER,
    )

    yield from both(f"gelu: {TOKENS} x 3072", NewGELUActivation(), TanhGELU(), TOKENS, 3072)
    yield from lora_pairs()
    yield from sibling_pairs()
    yield attention_pair()

    head = nn.Linear(WIDTH, VOCABULARY, bias=False).to(torch.bfloat16).requires_grad_(False)
    states, targets = random(128, WIDTH, grad=True), torch.randint(VOCABULARY, (128,))
    ones = torch.ones(128)
    yield Pair(
        f"logprobs: 128 x {VOCABULARY}, backward",
        backward(lambda: plain_logprobs(states, head, targets, 0.7).logprobs, ones),
        backward(lambda: token_logprobs(states, head, targets, 0.7).logprobs, ones),
    )


def adapted(model: nn.Module, layers: list[str]) -> nn.Module:
    """The model with PEFT's LoRA layers of rank 16 around some frozen bf16 layers."""
    model = nn.Sequential(model.to(torch.bfloat16))
    siblings.join(model)
    peft = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=layers))
    for parameter in peft.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return peft


def lora_pairs() -> Iterator[Pair]:
    """A LoRA layer: PEFT's forward pass and the lean one."""
    peft = adapted(nn.Linear(WIDTH, INNER, bias=False), ["0"])
    lean = copy.deepcopy(peft)
    lora.quicken(lean)
    yield from both(f"lora: {TOKENS} x {WIDTH} x {INNER}, rank 16", peft, lean, TOKENS, WIDTH, out=INNER)


def sibling_pairs() -> Iterator[Pair]:
    """Gate, up and SwiGLU of a Llama's MLP: two lean LoRA layers, and the same as one layer."""
    names = ("gate_proj", "up_proj")
    peft = adapted(LlamaMLP(LlamaConfig(hidden_size=WIDTH, intermediate_size=INNER)), list(names))
    lora.quicken(peft)
    owner = peft.base_model.model[0]
    yield from both(
        f"lora: gate, up and SwiGLU, {TOKENS} x {WIDTH} x 2 x {INNER}",
        lambda x: swiglu(owner.gate_proj(x), owner.up_proj(x)),
        lambda x: swiglu_of_both(lora.together(owner, names, x)),
        TOKENS,
        WIDTH,
        out=INNER,
    )


def attention_pair() -> Pair:
    """Causal attention of 4 rows of 128 tokens, forward and backward."""
    config = LlamaConfig(hidden_size=WIDTH, num_attention_heads=HEADS, num_key_value_heads=3)
    module, size = LlamaAttention(config, 0), WIDTH // HEADS
    query, (key, value) = random(4, HEADS, 128, size, grad=True), (random(4, 3, 128, size) for _ in range(2))
    grad = random(4, 128, HEADS, size)
    return Pair(
        f"attention: 4 rows x 128 tokens x {HEADS} heads of {size}, backward",
        backward(lambda: sdpa_attention_forward(module, query, key, value, None)[0], grad),
        backward(lambda: attention.attend(module, query, key, value, None)[0], grad),
    )


def cpu_seconds(work: Work) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def measure(pair: Pair, calls: int) -> dict:
    """The smallest CPU milliseconds of each version."""
    for work in (pair.plain, pair.fast):
        work()
    times = [(cpu_seconds(pair.plain), cpu_seconds(pair.fast)) for _ in range(calls)]
    plain, fast = (1000 * min(column) for column in zip(*times, strict=True))
    return {"operation": pair.name, "plain_ms": plain, "fast_ms": fast, "factor": plain / fast}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=60, help="calls per version")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    print(f"{'operation':<66} {'plain ms':>9} {'fast ms':>8} {'factor':>7}")
    rows = []
    for pair in pairs():
        rows.append(row := measure(pair, options.calls))
        print(
            f"{row['operation']:<66} {row['plain_ms']:>9.2f} {row['fast_ms']:>8.2f} {row['factor']:>7.2f}",
            flush=True,
        )
    if options.json:
        write_json(options.json, {"rows": rows, "hardware": hardware()})


if __name__ == "__main__":
    main()
