"""Compares the time of answers from four policies with that of one policy, on one base in memory.

Each row compares one policy with four policies in one batch: same prompt, same number of tokens (EOS is
forbidden, so that no answer ends early). The two alternate, and each figure is the fastest of `--repeats` runs,
because other load on the machine only adds time. `max_difference` is the largest difference of a logit from
PEFT's with that adapter alone; `logit_sd` gives its scale. The adapters are random, and so are the weights of
the shapes, so only the times and the differences have a meaning.

    python benchmarks/arena.py [--base tiny --base distilgpt2-shape] [--precision bf16 …] [--json FILE]
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.policies import POLICIES, PRECISIONS
from models import adapters, loading
from models.serving import StackedPolicies

SHAPE, LLAMA = "distilgpt2-shape", "smollm2-shape"
RANK = 16
SMOLLM2 = {
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "tie_word_embeddings": True,
}  # fmt: skip


def save_shape(name: str, folder: Path) -> Path:
    """A random base of a named shape, with the tiny base's tokenizer (its ids are never decoded)."""
    torch.manual_seed(0)
    special = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
    config = GPT2Config(n_layer=6, **special) if name == SHAPE else LlamaConfig(**SMOLLM2, **special)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    loading.load_tokenizer("tiny").save_pretrained(folder)
    return folder


def save_adapters(base: Path, folder: Path) -> dict[str, Path]:
    """Four random adapters for a base, as model folders."""
    model = loading.load_causal(base, "bf16", torch.device("cpu"))
    shape = adapters.lora_config(model, RANK, 2 * RANK)
    for name in POLICIES:
        model = adapters.attach(model, shape, name)
        for parameter in adapters.adapter_parameters(model, name).values():
            torch.nn.init.normal_(parameter, std=0.02)
        adapters.save(model, folder / name, name, base=base, precision="bf16")
    return {name: folder / name for name in POLICIES}


def measure(base: Path, folders: dict[str, Path], precision: str, args: argparse.Namespace) -> dict:
    """One row of the table: seconds of one and of four answers, and the logits' difference from PEFT's."""
    device = loading.device()
    one = StackedPolicies(loading.load_causal(base, precision, device), base, {"sft": folders["sft"]})
    four = StackedPolicies(loading.load_causal(base, precision, device), base, folders)
    vocabulary = one.model.config.vocab_size
    prompt = torch.randint(5, vocabulary, (args.prompt,), generator=torch.Generator().manual_seed(1)).tolist()

    def seconds(policies: StackedPolicies) -> float:
        start = time.perf_counter()
        policies.generate(
            policies.names,
            [prompt] * len(policies.names),
            max_new_tokens=args.response,
            temperature=0.7,
            pad_id=1,
            eos_id=vocabulary,  # an id that cannot be sampled, so that no answer stops early
            generator=torch.Generator().manual_seed(2),
        )
        return time.perf_counter() - start

    runs = [(seconds(one), seconds(four)) for _ in range(args.repeats + 1)][1:]
    alone, together = (min(column) for column in zip(*runs, strict=True))
    return {
        "precision": precision,
        "prompt": args.prompt,
        "response": args.response,
        "one_seconds": alone,
        "four_seconds": together,
        "four_over_one": together / alone,
        "device": str(device),
        "threads": torch.get_num_threads(),
        **difference(base, folders, precision, four, prompt),
    }


@torch.inference_mode()
def difference(base: Path, folders, precision: str, four: StackedPolicies, prompt: list[int]) -> dict:
    """The largest difference of a logit from PEFT's over the four policies, and the logits' standard deviation."""
    ids = torch.tensor([prompt], device=four.model.device)
    four.select(POLICIES)
    ours = four.model(ids.expand(len(POLICIES), -1)).logits.float()
    worst, spread = 0.0, ours.std().item()
    for place, name in enumerate(POLICIES):
        model = adapters.load(
            loading.load_causal(base, precision, ids.device), folders[name], "one", base=base
        )
        theirs = model.eval()(ids).logits.float()[0]
        worst = max(worst, (ours[place] - theirs).abs().max().item())
    return {"max_difference": worst, "logit_sd": spread}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", action="append", help=f"tiny, {SHAPE}, {LLAMA}, a folder; can be repeated")
    parser.add_argument("--precision", action="append", choices=PRECISIONS, help="can be repeated")
    parser.add_argument("--prompt", type=int, default=64, help="tokens")
    parser.add_argument("--response", type=int, default=64, help="tokens")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    args = parser.parse_args()

    columns = "{:<18} {:<9} {:>10} {:>10} {:>14} {:>15} {:>9}"
    print(
        columns.format("base", "precision", "one (s)", "four (s)", "four / one", "max difference", "logit sd")
    )
    rows = []
    for name in args.base or ["tiny", SHAPE]:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            base = save_shape(name, folder / "base") if name in (SHAPE, LLAMA) else loading.resolve_base(name)
            folders = save_adapters(base, folder)
            for precision in args.precision or PRECISIONS:
                row = {"base": name} | measure(base, folders, precision, args)
                rows.append(row)
                figures = [f"{row[key]:.3f}" for key in ("one_seconds", "four_seconds", "four_over_one")]
                errors = [f"{row[key]:.4f}" for key in ("max_difference", "logit_sd")]
                print(columns.format(name, precision, *figures, *errors), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
