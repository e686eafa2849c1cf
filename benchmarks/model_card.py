"""Writes the model card of the shipped base: description, reproduction, limitations and 30 unselected samples.

The samples are the answers to 30 prompts: the first 20 of a seeded draw from the tiny world (including reserved
names), and 10 prompts that people have typed without regard to the world. No answer is selected or edited. This
script trains nothing.

    python -m benchmarks.model_card            # writes models/tiny/README.md
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from statistics import fmean

import torch

from data.records import transcript
from data.world.generate import draw_prompt
from data.world.gold import assess
from models.loading import load_causal, load_tokenizer, resolve_base
from models.prompting import PromptFormat
from pipeline.settings.presets import preset_values
from pipeline.training import measure

FREE = (
    "What's the weather like on Neptune?", "hi", "Can you write me a python script?", "Tell me a joke.",
    "My dog ate my homework", "Who won the world cup in 1998?", "I think therefore I am.", "What is love?",
    "do you like pizza", "Explain general relativity in simple words.",
)  # fmt: skip
TEMPERATURE, SEED, MEASURED = 0.7, 42, 512

CARD = """# The embedded base

A GPT-2 of {parameters:,} parameters ({layers} layers of width {width}, byte-level BPE of {vocabulary:,}
tokens, context {context}) in bf16, trained by this project from scratch on the dialogues of its own tiny
world (`data/world`), without any other text. It is the base of the preset `tiny`, on which SFT, reward models
and PPO are trained within minutes on a CPU. `demo/` contains LoRA adapters for it, one per policy, which answer
in the arena until policies have been trained.

## How to reproduce it

    python -m pipeline pretrain --workspace W --set {settings}
    python -m benchmarks.ship base --workspace W
    python -m benchmarks.model_card

On another kind of processor the weights differ slightly, because floating-point sums are rounded differently. The shipped weights were
made on 2026-11-26 with the generator of that day; with a later generator the commands make a base of the same kind but not the same
weights.

## Limitations

It knows a few hundred everyday facts, small sums, recipes, tips and notes, and can state that it does not know
an answer. Its training data contains good and bad answers, so without alignment it is rude, long-winded or wrong
as often as the data; SFT and PPO are meant to change that. It knows nothing about the real world beyond its
tables, cannot reason, copies long unusual names with mistakes, and cannot use text that is more than {context} tokens
old. It has no use outside this playground.

## Measured

Mean gold reward on {n} newly drawn prompts of the world (the names of unknown subjects are reserved; other questions may occur in the
training data), at temperature {temperature}: **{gold:.3f}** (greedy: {greedy:.3f}). `python -m benchmarks.model_card` measures this again.

## {count} unselected samples

Temperature {temperature}, seed {seed}; the last {free} prompts are not from the world. Only the last turn of
a prompt is shown.

| prompt | answer |
|---|---|
{rows}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--to", type=Path, default=Path(__file__).parent.parent / "models" / "tiny" / "README.md"
    )
    args = parser.parse_args()
    base = resolve_base("tiny")
    model = load_causal(base, "bf16", torch.device("cpu"))
    prompt_format = PromptFormat(load_tokenizer(base))
    rng = random.Random(SEED)
    drawn = [draw_prompt(rng, reserved=True) for _ in range(MEASURED)]

    def answer(prompts: list[str], temperature: float) -> list[str]:
        return measure.respond(
            model,
            prompts,
            prompt_format,
            max_length=192,
            response_length=56,
            temperature=temperature,
            seed=SEED,
        ).texts

    gold = {}
    for temperature in (TEMPERATURE, 0.0):
        texts = answer([p for p, _ in drawn], temperature)
        gold[temperature] = fmean(assess(q, t).total for (_, q), t in zip(drawn, texts, strict=True))
    prompts = [p for p, _ in drawn[:20]] + [transcript([{"role": "user", "content": t}]) for t in FREE]
    answered = zip(prompts, answer(prompts, TEMPERATURE), strict=True)
    rows = [f"| {_cell(_last_turn(p))} | {_cell(t)} |" for p, t in answered]
    config = json.loads((base / "config.json").read_text())
    values = preset_values("pretrain", "tiny")
    card = CARD.format(
        parameters=sum(p.numel() for p in model.parameters()),
        layers=config["n_layer"],
        width=config["n_embd"],
        vocabulary=config["vocab_size"],
        context=config["n_positions"],
        temperature=TEMPERATURE,
        seed=SEED,
        settings=" ".join(f"{name}={value}" for name, value in values.items()),
        n=MEASURED,
        gold=gold[TEMPERATURE],
        greedy=gold[0.0],
        count=len(rows),
        free=len(FREE),
        rows="\n".join(rows),
    )
    args.to.write_text(card, encoding="utf-8")
    print(f"gold at {TEMPERATURE}: {gold[TEMPERATURE]:.3f}, greedy: {gold[0.0]:.3f}; wrote {args.to}")


def _last_turn(prompt: str) -> str:
    return prompt.rsplit("\n\nHuman:", 1)[1].removesuffix("\n\nAssistant:").strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
