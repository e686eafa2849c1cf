"""Writes the model card of the demo policies of `small`: description, reproduction, measurements and samples.

Each policy answers 30 ordinary questions, all of which are shown in full, and 20 harmful requests; the safety
probe's detector (`evaluation.safety`) counts the declined ones. `small_words.json` contains the comments of a
person who has read the answers. The policies are the shipped ones, the sampling is the arena's. The figures are
from the newest evaluation in the workspace in which the policies were trained. This script trains nothing.

    python -m benchmarks.small_card --workspace W --answers answers.json

The script stores the answers in that file and generates only those that are missing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.small_prompts import HARMFUL, HARMFUL_REQUESTS, QUESTIONS, several
from data.bases import SMOLLM2, origin
from data.files import read_json, write_json
from data.policies import POLICIES
from data.workspace import Workspace
from evaluation.safety import is_refusal
from models import adapters, loading
from models.prompting import PromptFormat
from pipeline.arena.lineup import shipped
from pipeline.runs.lineage import newest_done
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import build
from pipeline.training import measure

TEMPERATURE, TOKENS, SEED = build("ppo", "small").temperature, 160, 42
CARD = Path(__file__).parent.parent / "models" / "small" / "README.md"
Answers = dict[str, dict[str, list[str]]]  # policy -> {"questions": [...], "harmful": [...]}


def ask(folders: Mapping[str, Path]) -> Answers:
    """The answers of each policy, with the same random numbers for each."""
    model = loading.load_causal(SMOLLM2, "bf16", loading.device())
    prompt_format = PromptFormat(loading.load_tokenizer(SMOLLM2))
    prompts = [*QUESTIONS, *HARMFUL_REQUESTS]
    turns = several(prompts, times=1)
    answers: Answers = {}
    for name, folder in folders.items():
        model = adapters.load(model, folder, name, base=SMOLLM2)
        model.set_adapter(name)
        model.eval()
        with torch.inference_mode():
            said = measure.respond(
                model,
                turns,
                prompt_format,
                max_length=512,
                response_length=TOKENS,
                temperature=TEMPERATURE,
                seed=SEED,
            ).texts
        answers[name] = {"questions": said[: len(QUESTIONS)], "harmful": said[len(QUESTIONS) :]}
        print(name, flush=True)
    return answers


def safety_table(answers: Answers) -> list[str]:
    """Number of declined requests per policy and subject, according to the detector."""
    lines = ["| subject | " + " | ".join(answers) + " |", "|---|" + "---|" * len(answers)]
    sums, start = dict.fromkeys(answers, 0), 0
    for subject, requests in HARMFUL.items():
        cells = []
        for name, said in answers.items():
            declined = sum(map(is_refusal, said["harmful"][start : start + len(requests)]))
            sums[name] += declined
            cells.append(f"{declined} of {len(requests)}")
        lines.append(f"| {subject} | " + " | ".join(cells) + " |")
        start += len(requests)
    lines.append("| **together** | " + " | ".join(f"**{n} of {start}**" for n in sums.values()) + " |")
    return lines


def figures_table(workspace: Workspace) -> list[str]:
    """The policies' rows of the newest evaluation."""
    run = newest_done(workspace, "evaluate", "small")
    if run is None:
        return ["No evaluation in this workspace."]
    lines = [
        "| policy | score gain by its own reward model (sd of SFT) | wins against SFT | KL per token (nats) | "
        "tokens per answer | refusals, all prompts |",
        "|---|---|---|---|---|---|",
    ]
    for row in run.results["table"]:
        cells = [
            _number(row["score_gain"], ".2f"), _number(row["win_rate_vs_sft"], ".0%"),
            _number(row["kl_per_token"], ".3f"), _number(row["length"], ".0f"),
            _number(row["refusal_rate_all_prompts"], ".0%"),
        ]  # fmt: skip
        lines.append(f"| {row['policy']} | " + " | ".join(cells) + " |")
    lines += ["", f"{run.results['n_prompts']} held-out prompts."]
    return lines


def samples_table(answers: Answers) -> list[str]:
    lines = ["| question | " + " | ".join(answers) + " |", "|---|" + "---|" * len(answers)]
    for place, question in enumerate(QUESTIONS):
        said = [_cell(answers[name]["questions"][place]) for name in answers]
        lines.append(f"| {question} | " + " | ".join(said) + " |")
    return lines


def card(answers: Answers, workspace: Workspace, words: Mapping[str, str]) -> str:
    """The complete card. words: texts written by a person, by their names in the template."""
    made_from = origin(loading.resolve_base(SMOLLM2))
    return TEMPLATE.format(
        origin=made_from.text() if made_from else "the hub",
        runs="\n".join(_run_lines(workspace)),
        safety="\n".join(safety_table(answers)),
        figures="\n".join(figures_table(workspace)),
        samples="\n".join(samples_table(answers)),
        temperature=TEMPERATURE,
        tokens=TOKENS,
        seed=SEED,
        **words,
    )


def _run_lines(workspace: Workspace) -> list[str]:
    lines = []
    for stage in ("prepare", "sft", "reward", "ppo"):
        for precision in ("bf16", "int8", "int4") if stage in ("reward", "ppo") else (None,):
            run = newest_done(workspace, stage, "small", precision)
            if run:
                lines.append(_run_line(run))
    return lines


def _run_line(run: RunRecord) -> str:
    known = run.results
    facts = {
        "prepare": lambda: (
            ", ".join(f"{s['pairs']} {name}" for name, s in known["splits"].items()) + " pairs"
        ),
        "sft": lambda: f"{known['steps']} steps, validation loss {known['eval_loss']:.3f}",
        "reward": lambda: (
            f"accuracy {known['accuracy']:.3f} on {known['n_pairs']} test pairs, 95 % interval "
            f"{known['accuracy_ci'][0]:.3f} to {known['accuracy_ci'][1]:.3f}"
        ),
        "ppo": lambda: f"{known['steps']} steps of {run.config['batch_size']} prompts",
    }
    peak = (run.resources.peak_rss_bytes or 0) / 1e9
    return (
        f"- {run.stage} {run.precision if run.stage in ('reward', 'ppo') else ''}: "
        f"{facts[run.stage]()}; {(run.seconds or 0) / 60:.0f} min, peak {peak:.1f} GB"
    ).replace(" : ", ": ")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument(
        "--answers", type=Path, required=True, help="file with the answers; missing answers are added"
    )
    parser.add_argument("--to", type=Path, default=CARD)
    args = parser.parse_args(arguments)
    answers = read_json(args.answers) if args.answers.is_file() else {}
    demo = shipped()["small"]
    if missing := {name: demo / name for name in POLICIES if name not in answers}:
        answers |= ask(missing)
        answers = {name: answers[name] for name in POLICIES}
        write_json(args.answers, answers)
    words = json.loads((Path(__file__).parent / "small_words.json").read_text(encoding="utf-8"))
    args.to.write_text(card(answers, Workspace(args.workspace), words), encoding="utf-8")
    print("\n".join(safety_table(answers)))


TEMPLATE = """# The demo policies on SmolLM2

LoRA adapters (rank 8, bf16) on SmolLM2-135M-Instruct, one per policy: `sft` and three PPO policies that were
trained against reward models in bf16, int8 and int4. The arena answers with them if the base is installed
(`make small`). Their only purpose is to show the effect of RLHF on a small model.

- **Base**: SmolLM2-135M-Instruct by Hugging Face, Apache-2.0, from {origin}.
  The weights of the package are quantised; the exact weights on the hub are another base, for which these
  adapters cannot be loaded.
- **Data**: 2,646 preference pairs of `Anthropic/hh-rlhf` (MIT), 1,849 of harmless-base's test split and 800
  of the helpful sets. This repository contains none of these rows. A third of the pairs was reserved for a
  judge and not used for training.
- **Licence** of the adapters: MIT, like the project.

## How to reproduce them

    python -m pipeline all --preset small --workspace W --set prepare.source=FOLDER
    python -m benchmarks.ship demo --preset small --workspace W
    python -m benchmarks.small_card --workspace W --answers answers.json

`FOLDER` contains the pairs as *.jsonl files; without it, `prepare` downloads the data from the hub, which
includes further pairs.
{how}

{runs}

## Measured

{figures}

{measured}

## Harmful requests

20 requests written for this card (`benchmarks/small_prompts.py`), one answer each at temperature {temperature}, seed
{seed}. The table counts the answers that decline explicitly, according to the detector of the safety probe:

{safety}

{safety_words}

## Weaknesses

{badly}

## 30 ordinary questions, four answers each, unselected

Temperature {temperature}, at most {tokens} tokens, seed {seed}, the same random numbers for each policy.

{samples}
"""


if __name__ == "__main__":
    main()
