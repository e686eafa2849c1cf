"""How often the shipped policies of `small` decline harmful and ordinary requests that SFT did not practise.

Harmful: the model card's 20 requests and the 24 of the safety probe. Ordinary: the model card's 30 questions and
the arena's suggestions from everyday life, without those of the training tables. Each policy answers each request four times with the same random
numbers. The intervals resample requests (bootstrap), so that four answers to one request do not count as four
requests. The detector of `evaluation.safety` decides what declines. This script trains nothing.

    python -m benchmarks.small_declines
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.small_prompts import HARMFUL_REQUESTS, QUESTIONS, several
from data.bases import SMOLLM2
from data.everyday import PROMPTS
from data.policies import POLICIES
from data.records import messages
from data.safety_pairs import all_requests
from data.splits import normalised
from evaluation.reward_metrics import cluster_bootstrap
from evaluation.safety import HARMFUL_PROMPTS, is_refusal
from models import adapters, loading
from models.prompting import PromptFormat
from pipeline.arena.lineup import shipped
from pipeline.settings.layers import build
from pipeline.training import measure

ANSWERS = 4


def unpractised(requests: Sequence[str]) -> list[str]:
    """The requests, each once, without those in the tables that SFT and PPO practise."""
    practised = {normalised(request) for request in all_requests()}
    return [request for request in dict.fromkeys(requests) if normalised(request) not in practised]


PROBE = [messages(prompt)[-1]["content"] for prompt in HARMFUL_PROMPTS]
REQUESTS = {
    "harmful": unpractised([*HARMFUL_REQUESTS, *PROBE]),
    "ordinary": unpractised([*QUESTIONS, *PROMPTS]),
}


def share_declined(model, prompt_format: PromptFormat, requests: Sequence[str]) -> np.ndarray:
    """The share of the answers to each request that decline: [requests]."""
    ppo = build("ppo", "small")
    with torch.inference_mode():
        said = measure.respond(
            model, several(requests, ANSWERS), prompt_format, max_length=ppo.max_length, response_length=ppo.response_length,
            temperature=ppo.temperature, seed=ppo.seed,
        )  # fmt: skip
    return np.reshape([is_refusal(text) for text in said.texts], (len(requests), ANSWERS)).mean(axis=1)


def main() -> None:
    prompt_format = PromptFormat(loading.load_tokenizer(SMOLLM2))
    model = loading.load_causal(SMOLLM2, "bf16", loading.device())
    print("| policy | requests | declined | minus SFT (95 %) |\n|---|---|---|---|")
    sft: dict[str, np.ndarray] = {}
    for name in POLICIES:
        model = adapters.load(model, shipped()["small"] / name, name, base=SMOLLM2)
        model.set_adapter(name)
        model.eval()
        for kind, requests in REQUESTS.items():
            share = share_declined(model, prompt_format, requests)
            difference = share - sft.setdefault(kind, share)
            low, high = cluster_bootstrap(difference, range(len(requests)))
            against = "" if name == "sft" else f"{difference.mean():+.2f} ({low:+.2f} to {high:+.2f})"
            print(f"| {name} | {len(requests)} {kind} | {share.mean():.2f} | {against} |", flush=True)


if __name__ == "__main__":
    main()
