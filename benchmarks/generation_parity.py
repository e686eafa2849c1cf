"""Compares greedy answers of `models.generation` with those of transformers, token by token, on a real base.

Both use the same weights in fp32: `models.generation` with the fast model that the pipeline loads, and
transformers' `generate` with a plain model. The former answers all prompts in one batch, the latter one by one.
The prompts have the base's chat template, as in the arena. If a token differs, the gap between transformers' two best logits is printed: rounding may only decide a tie.

    python benchmarks/generation_parity.py --base smollm2 [--tokens 48]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from transformers import AutoModelForCausalLM

from data.records import transcript
from models import loading
from models.generation import generate
from models.prompting import PromptFormat

PROMPTS = (
    "What should I cook with rice and two eggs?",
    "What is the capital of France?",
    "Explain to a child why the sky is blue.",
    "My neighbour plays loud music at night. What can I do?",
)
TIE = 1e-3  # largest gap between two logits that counts as a tie


def theirs(base: Path, prompts: list[list[int]], tokens: int, pad_id: int, eos_id: int) -> list[list[int]]:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, local_files_only=True).eval()
    return [
        model.generate(
            torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=tokens, do_sample=False,
            repetition_penalty=1.0, eos_token_id=eos_id, pad_token_id=pad_id, suppress_tokens=[pad_id],
        )[0, len(ids) :].tolist()
        for ids in prompts
    ]  # fmt: skip


@torch.inference_mode()
def gap(base: Path, ids: list[int]) -> float:
    """The difference between the two best logits of transformers after these ids."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, local_files_only=True).eval()
    best = model(torch.tensor([ids])).logits[0, -1].topk(2).values
    return (best[0] - best[1]).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="smollm2", help="a base, as in the setting base_model")
    parser.add_argument("--tokens", type=int, default=48)
    options = parser.parse_args()
    base = loading.resolve_base(options.base)
    tokenizer = loading.load_tokenizer(base)
    pad_id, eos_id = tokenizer.pad_token_id, tokenizer.eos_token_id
    prompt_format = PromptFormat(tokenizer)
    asked = [transcript([{"role": "user", "content": text}]) for text in PROMPTS]
    prompts = prompt_format.encode_prompts(asked, 512)
    model = loading.load_causal(base, "bf16", torch.device("cpu")).float()
    mine = generate(
        model, prompts, max_new_tokens=options.tokens, temperature=0, pad_id=pad_id, eos_id=eos_id
    ).tokens
    failed = False
    for text, ids, a, b in zip(
        PROMPTS, prompts, mine, theirs(base, prompts, options.tokens, pad_id, eos_id), strict=True
    ):
        same = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        if a == b:
            print(f"{len(a)} of {len(b)} tokens the same: {text!r} -> {tokenizer.decode(a)[:60]!r}")
            continue
        apart = gap(base, ids + b[:same])
        failed |= apart > TIE
        print(f"{same} of {len(b)} tokens the same, then a gap of {apart:.2e} between two logits: {text!r}")
    if failed:
        sys.exit("the answers differ by more than rounding")


if __name__ == "__main__":
    main()
