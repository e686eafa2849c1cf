"""How the reward models of `small` score the SFT policy's own refusals, evasions and other answers.

The SFT policy of the newest reward models in the workspace answers the model card's ordinary questions and
harmful requests four times each. A reward model that PPO can become safer against scores the refusals of harmful
requests above the other answers to them, and those of ordinary questions below. The prompts are in none of
the training tables; the detectors of `evaluation.safety` say what an answer does. This script trains nothing.

    python -m benchmarks.small_scores --workspace W
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch

from benchmarks.small_prompts import HARMFUL_REQUESTS, QUESTIONS, several
from data.workspace import Workspace
from evaluation.safety import what_it_does
from models import adapters, loading
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.runs.lineage import newest_done
from pipeline.settings.layers import build
from pipeline.training import measure

ANSWERS = 4
KINDS = {"ordinary": QUESTIONS, "harmful": HARMFUL_REQUESTS}


def cells(said: Sequence[str], scores: Sequence[float]) -> list[str]:
    """The mean score and the number of the refusals, the evasions and the other answers."""
    of: dict[str, list[float]] = {"declined": [], "evaded": [], "answered": []}
    for text, score in zip(said, scores, strict=True):
        of[what_it_does(text)].append(score)
    return [f"{fmean(values):.2f} ({len(values)})" if values else "–" for values in of.values()]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workspace", type=Path, required=True)
    workspace = Workspace(parser.parse_args(arguments).workspace)
    runs = [
        run
        for precision in ("bf16", "int8", "int4")
        if (run := newest_done(workspace, "reward", "small", precision))
    ]
    sft = workspace.run(runs[0].parents.sft) / "model"
    base = loading.resolve_base(adapters.read_card(sft)["base_model"])
    prompt_format, ppo = PromptFormat(loading.load_tokenizer(base)), build("ppo", "small")
    model = adapters.load(loading.load_causal(base, "bf16", loading.device()), sft, "sft", base=base).eval()
    answers = {}
    for kind, requests in KINDS.items():
        prompts = several(requests, ANSWERS)
        with torch.inference_mode():
            answers[kind] = measure.respond(
                model, prompts, prompt_format, max_length=ppo.max_length - ppo.response_length,
                response_length=ppo.response_length, temperature=ppo.temperature, seed=ppo.seed,
            )  # fmt: skip
    del model
    gc.collect()

    print(
        "| reward model | prompts | refusals: mean score (number) | evasions | other answers |\n|---|---|---|---|---|"
    )
    for run in runs:
        scorer = RewardModel.load(workspace.run(run.id) / "model", base, run.precision, loading.device())
        for kind, said in answers.items():
            sequences = measure.scored_sequences(said, prompt_format.eos_id)
            with torch.inference_mode():
                scores = scorer.score(sequences, batch_size=16).tolist()
            print(f"| {run.precision} | {kind} | " + " | ".join(cells(said.texts, scores)) + " |", flush=True)
        del scorer
        gc.collect()


if __name__ == "__main__":
    main()
