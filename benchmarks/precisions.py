"""Measures what int8 and int4 do to a base: bytes, perplexity of chosen responses, error of the logits.

The bf16 base is the reference. Perplexity is that of the chosen responses with their EOS, given the prompts;
its ratio to bf16's has a 95 % interval by bootstrap over rows (both precisions see the same rows). Logits are
compared at the same positions: the error is the root mean square of the difference of centred logits, relative
to the standard deviation of bf16's. Nothing is trained.

    python benchmarks/precisions.py --source tiny --base tiny
    python benchmarks/precisions.py --source PAIRS.jsonl,FOLDER --base smollm2 [--rows 200] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import nn

from data.policies import PRECISIONS
from data.sources import load_pairs
from data.workspace import Workspace
from models import loading
from models.prompting import PromptFormat

SEED, LONGEST, RESAMPLES = 42, 320, 2000


@dataclass(frozen=True)
class Row:
    """One precision of one base. error, agreement and kl are 0, 1 and 0 for bf16 by definition."""

    base: str
    precision: str
    bytes: int  # of all weights, with the constants of the quantisation
    tokens: int  # response tokens over which the means are taken
    perplexity: float
    ratio: float  # of the perplexity to bf16's
    ratio_ci: tuple[float, float]
    error: float  # of the logits, relative to their standard deviation
    agreement: float  # share of positions with the same most probable token
    kl: float  # KL(bf16 ‖ precision), nats per token


@dataclass(frozen=True)
class Compared:
    """Sums over the response tokens of each row, (rows,), and sums over all positions."""

    nll: np.ndarray
    tokens: np.ndarray
    squares: float
    variance: float
    agreed: int
    kl: float


def measure(base: str, source: str, rows: int) -> list[Row]:
    """One Row per precision. Raises UserError if the base or the source cannot be read."""
    prompt_format = PromptFormat(loading.load_tokenizer(base))
    examples = encoded(source, prompt_format, rows)
    device = loading.device()
    reference = loading.load_causal(base, "bf16", device)
    table, nll = [], np.empty(0)
    for precision in PRECISIONS:
        model = reference if precision == "bf16" else loading.load_causal(base, precision, device)
        got = compare(reference, model, examples)
        nll = got.nll if precision == "bf16" else nll
        table.append(_row(base, precision, weight_bytes(model), got, nll))
        print(line(table[-1]), flush=True)
    return table


def encoded(source: str, prompt_format: PromptFormat, rows: int) -> list[tuple[list[int], list[int]]]:
    """(prompt ids, response ids) of the chosen responses of `rows` pairs that fit into LONGEST tokens."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_pairs(source, workspace=Workspace(Path(folder)), seed=SEED, max_rows=2 * rows)
    pairs = [pair for split in loaded.pairs.values() for pair in split]
    prompts = prompt_format.encode_prompts([pair.prompt for pair in pairs], 10 * LONGEST)
    responses = prompt_format.encode_responses([pair.chosen for pair in pairs])
    fitting = [(p, r) for p, r in zip(prompts, responses, strict=True) if len(p) + len(r) <= LONGEST]
    return fitting[:rows]


@torch.inference_mode()
def compare(
    reference: nn.Module, model: nn.Module, examples: Sequence[tuple[list[int], list[int]]]
) -> Compared:
    """Both models at the positions that predict response tokens, row by row."""
    device = next(reference.parameters()).device
    nll, tokens = [], []
    squares = variance = kl = 0.0
    agreed = 0
    for prompt, response in examples:
        ids = torch.tensor([prompt + response], device=device)
        at = slice(len(prompt) - 1, len(prompt) + len(response) - 1)
        ours = model(ids).logits[0, at].float()  # (tokens, vocabulary)
        theirs = reference(ids).logits[0, at].float()
        logprobs, expected = ours.log_softmax(-1), theirs.log_softmax(-1)
        targets = torch.tensor(response, device=device)[:, None]
        nll.append(-logprobs.gather(1, targets).sum().item())
        tokens.append(len(response))
        centred = theirs - theirs.mean(-1, keepdim=True)
        squares += (ours - ours.mean(-1, keepdim=True) - centred).square().mean(-1).sum().item()
        variance += centred.square().mean(-1).sum().item()
        agreed += int((ours.argmax(-1) == theirs.argmax(-1)).sum())
        kl += (expected.exp() * (expected - logprobs)).sum().item()
    return Compared(np.array(nll), np.array(tokens), squares, variance, agreed, kl)


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all weights; tied weights count once, and int8's and int4's scales are included."""
    storages = {}
    for tensor in [*model.parameters(), *model.buffers(), *_scales(model)]:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    return sum(storages.values())


def _scales(model: nn.Module) -> list[torch.Tensor]:
    """The scaling constants that bitsandbytes keeps beside the packed weights."""
    found = []
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        nested = getattr(state, "state2", None)
        for owner, name in ((parameter, "SCB"), (state, "absmax"), (nested, "absmax")):
            value = getattr(owner, name, None)
            if isinstance(value, torch.Tensor):
                found.append(value)
    return found


def _row(base: str, precision: str, size: int, got: Compared, reference: np.ndarray) -> Row:
    total = int(got.tokens.sum())
    draws = np.random.default_rng(SEED).integers(0, len(got.nll), (RESAMPLES, len(got.nll)))
    ratios = np.exp((got.nll - reference)[draws].sum(1) / got.tokens[draws].sum(1))
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Row(
        base=base,
        precision=precision,
        bytes=size,
        tokens=total,
        perplexity=float(np.exp(got.nll.sum() / total)),
        ratio=float(np.exp((got.nll - reference).sum() / total)),
        ratio_ci=(float(low), float(high)),
        error=(got.squares / got.variance) ** 0.5,
        agreement=got.agreed / total,
        kl=got.kl / total,
    )


def line(row: Row) -> str:
    low, high = row.ratio_ci
    return (
        f"| {row.base} | {row.precision} | {row.bytes / 1e6:.1f} MB | {row.perplexity:.2f} | "
        f"{row.ratio:.3f} ({low:.3f} to {high:.3f}) | {row.error:.1%} | {row.agreement:.1%} | {row.kl:.4f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", default="tiny")
    parser.add_argument("--source", default="tiny", help="pairs, as in `prepare --set source=`")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(
        "| base | precision | weights | perplexity | ratio to bf16 (95 %) | logit error | same token | KL per token |"
    )
    print("|---|---|---|---|---|---|---|---|")
    rows = measure(options.base, options.source, options.rows)
    print(f"\n{rows[0].tokens} response tokens of {options.rows} pairs or fewer")
    if options.json:
        options.json.write_text(
            json.dumps({"rows": [asdict(row) for row in rows]}, indent=2), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
