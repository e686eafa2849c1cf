"""Write the model card of the shipped base: what it is, how to make it again, what it cannot do, 30 unpicked
samples.

The samples are the answers to the first 30 prompts of a seeded draw; 20 from the tiny world (reserved names
included) and 10 that people typed with no world in mind. Nothing is picked or mended. It does not train
anything.

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
from pipeline.settings.fields import preset_values
from pipeline.training import measure

FREE = (
    "What's the weather like on Neptune?", "hi", "Can you write me a python script?", "Tell me a joke.",
    "My dog ate my homework", "Who won the world cup in 1998?", "I think therefore I am.", "What is love?",
    "do you like pizza", "Explain general relativity in simple words.",
)  # fmt: skip
TEMPERATURE, SEED, MEASURED = 0.7, 42, 512

CARD = """# The embedded base

A GPT-2 of {parameters:,} parameters ({layers} layers of width {width}, byte-level BPE of {vocabulary:,}
tokens, context {context}) in bf16, trained by this project from nothing on the dialogues of its own tiny
world (`data/world`): no text was taken from anywhere else. It is the base of the preset `tiny`, on which SFT,
reward models and PPO are trained within minutes on a CPU. `demo/` holds LoRA adapters on it, one per policy,
that answer in the arena before anything was trained.

## How to make it again

    python -m pipeline pretrain --workspace W --set {settings}
    python -m benchmarks.ship base --workspace W
    python -m benchmarks.model_card

On another kind of processor the weights come out a little different, because floating-point sums do.

## What it cannot do

It knows a few hundred everyday facts, small sums, recipes, tips and notes, and how to say that it does not
know. It has read good and bad answers alike, so by itself it is as often rude, long-winded or wrong as its
reading was: that is what there is to align. It knows nothing of the real world beyond its tables, cannot
reason, copies long unusual names with mistakes, and forgets what was said more than {context} tokens ago. It
is of no use outside this playground.

## Measured

Mean gold reward on {n} prompts of the world that it has not seen, reserved unknown names among them, at
temperature {temperature}: **{gold:.3f}** (greedy: {greedy:.3f}). `python -m benchmarks.model_card` prints
this again.

## {count} samples, unpicked

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
