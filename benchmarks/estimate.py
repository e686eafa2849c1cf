"""The estimated memory of a stage against the measured peak, for shapes, sizes, precisions and modes.

Each row runs two steps of a complete stage (including evaluation and saving) on random weights of a shape, with
rows of full length, in a separate process. The measured value is the highest resident memory (on a GPU: that of
torch's allocator) above the level after the imports. Prints a table; --json FILE writes {"rows": [...]}.

    python benchmarks/estimate.py                      # all rows, about half an hour on two cores
    python benchmarks/estimate.py --only sft-distil    # rows whose name contains this text
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.datasets import write_splits
from data.files import write_json
from data.workspace import Workspace
from evaluation import resources
from pipeline.memory.estimate import estimate_resolved
from pipeline.runs.child import child_environment
from pipeline.runs.parents import Resolved
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build
from pipeline.settings.stages import STAGES

SHAPES = {
    "tiny": dict(kind="gpt2", n_layer=4, n_embd=256, n_head=4, vocab_size=2048, n_positions=512),
    "distilgpt2": dict(kind="gpt2", n_layer=6, n_embd=768, n_head=12, vocab_size=50257, n_positions=1024),
    "llama": dict(
        kind="llama", num_hidden_layers=8, hidden_size=512, intermediate_size=1408, num_attention_heads=8,
        num_key_value_heads=2, vocab_size=32000, max_position_embeddings=2048, tie_word_embeddings=False,
    ),
    "smollm2": dict(
        kind="llama", num_hidden_layers=30, hidden_size=576, intermediate_size=1536, num_attention_heads=9,
        num_key_value_heads=3, vocab_size=49153, max_position_embeddings=8192, tie_word_embeddings=True,
    ),
}  # fmt: skip
EVERY_SIZE = ("tiny", "distilgpt2", "llama")  # the other shape only in its preset's sizes
PROMPTS = 64  # rows of each split


@dataclass(frozen=True)
class Case:
    """One row: lengths in tokens, batches in rows (pairs, prompts)."""

    stage: str
    base: str
    precision: str
    batch: int
    micro: int
    length: int
    response: int = 32
    mode: str = "controlled"
    checkpointing: bool = False

    @property
    def name(self) -> str:
        extra = f" response {self.response} {self.mode}" if self.stage == "ppo" else ""
        saved = " checkpointed" if self.checkpointing else ""
        return f"{self.stage}-{self.base} {self.precision} {self.batch}/{self.micro} x {self.length}{extra}{saved}"

    def settings(self, base: Path):
        values = {
            "base_model": base, "lora_rank": 16, "lora_alpha": 32, "max_steps": 2, "save_steps": 2,
            "batch_size": self.batch, "micro_batch_size": self.micro, "max_length": self.length,
            "gradient_checkpointing": self.checkpointing,
        }  # fmt: skip
        if self.stage == "ppo":
            values |= {"response_length": self.response, "mode": self.mode, "num_minibatches": 1,
                       "epochs": 2, "eval_prompts": PROMPTS, "target_kl": 0}  # fmt: skip
        else:
            values |= {"eval_steps": 2}
        lines = [f"{name}={value}" for name, value in values.items()]
        return build(self.stage, "edge", precision=self.precision, overrides=lines)


def cases() -> list[Case]:
    rows = []
    for base in EVERY_SIZE:
        for stage in ("sft", "reward"):
            rows += [
                Case(stage, base, "bf16", 8, 8, 128),
                Case(stage, base, "bf16", 16, 16, 256),
                Case(stage, base, "bf16", 16, 16, 256, checkpointing=True),
                Case(stage, base, "int8", 8, 8, 128),
                Case(stage, base, "int4", 16, 8, 256),
            ]
        rows += [
            Case("ppo", base, "bf16", 8, 4, 128, 64),
            Case("ppo", base, "bf16", 32, 16, 256, 128),
            Case("ppo", base, "bf16", 32, 16, 256, 128, checkpointing=True),
            Case("ppo", base, "int8", 16, 8, 192, 64),
            Case("ppo", base, "int8", 16, 8, 192, 64, "shared"),
            Case("ppo", base, "int4", 16, 8, 192, 64),
            Case("ppo", base, "int4", 16, 8, 192, 64, "shared"),
        ]
    rows += [  # the presets' own sizes
        Case("sft", "tiny", "bf16", 64, 64, 192),
        Case("reward", "tiny", "int4", 32, 32, 192),
        Case("ppo", "tiny", "int8", 48, 24, 192, 48),
        Case("sft", "distilgpt2", "bf16", 32, 8, 512),
        Case("reward", "distilgpt2", "int8", 32, 8, 512),
        Case("ppo", "distilgpt2", "int4", 32, 8, 512, 64),
        Case("sft", "smollm2", "bf16", 16, 8, 320),
        Case("reward", "smollm2", "bf16", 8, 4, 320),
        Case("reward", "smollm2", "int8", 8, 4, 320),
        Case("ppo", "smollm2", "bf16", 24, 8, 288, 64),
        Case("ppo", "smollm2", "int4", 24, 8, 288, 64),
    ]
    return rows


def make_base(name: str, folder: Path) -> None:
    """A base of the shape, with seeded random weights in bf16 and a tokenizer of one byte per token."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    from benchmarks.ppo_cases import byte_tokenizer

    shape = dict(SHAPES[name])
    config_class, model_class = {
        "gpt2": (GPT2Config, GPT2LMHeadModel),
        "llama": (LlamaConfig, LlamaForCausalLM),
    }[str(shape.pop("kind"))]
    words = byte_tokenizer()
    ids = dict(eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id, bos_token_id=None)
    torch.manual_seed(0)
    model_class(config_class(**shape, **ids)).to(torch.bfloat16).save_pretrained(folder)
    words.save_pretrained(folder)


def make_workspace(root: Path, base: Path) -> None:
    """A data set of long rows, and an SFT and a reward run whose adapters are small random numbers."""
    import torch

    from models import adapters, loading

    workspace = Workspace(root).create()
    generator = torch.Generator().manual_seed(1)

    def letters(count: int) -> str:
        return bytes(torch.randint(97, 123, (count,), generator=generator).tolist()).decode()

    splits = {
        split: [
            {
                "prompt": f"\n\nHuman: {letters(600)}\n\nAssistant:",
                "chosen": letters(40),
                "rejected": letters(40),
            }
            for _ in range(PROMPTS)
        ]
        for split in ("train", "validation", "test")
    }
    write_splits(workspace.dataset("bench"), splits)
    model = loading.load_causal(base, "bf16", torch.device("cpu"))
    shape = adapters.lora_config(model, 16, 32)
    head = loading.Head(model.config.get_text_config().hidden_size)
    torch.nn.init.normal_(head.weight, std=0.02, generator=generator)
    for name in ("sft", "reward"):
        model = adapters.attach(model, shape, name)
        for parameter in adapters.adapter_parameters(model, name).values():
            parameter.data = 0.01 * torch.randn(parameter.shape, generator=generator)
    adapters.save(model, workspace.run("sft") / "model", "sft", base=base, precision="bf16")
    for precision in ("bf16", "int8", "int4"):
        where = workspace.run(f"reward-{precision}") / "model"
        adapters.save(model, where, "reward", base=base, precision=precision, head=head)


def measure(case: Case, folder: Path) -> int:
    """Run the stage in this process; returns the peak in bytes above the imports."""
    import torch

    from pipeline.commands import execute as stages

    STAGES[case.stage].function()  # the imports are not part of the estimate
    workspace, base = Workspace(folder / "workspace"), folder / "base"
    settings = case.settings(base)
    parents = {"dataset": "bench", "sft": "sft", "reward": f"reward-{case.precision}"}
    run = Run.create(workspace, case.stage, settings, Parents.from_json(parents, case.precision))
    before = fresh_peak()
    stages.execute(case.stage, settings, workspace, run)
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resources.peak_rss_bytes() - before


def fresh_peak() -> int:
    """Current resident bytes; resets the high-water mark if the system allows it."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    return resources.rss_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="only rows whose name contains this text")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps({"measured": measure(Case(**json.loads(options.one)), options.folder)}))
        return
    rows = []
    with tempfile.TemporaryDirectory() as root:
        print(f"{'estimate':>9} {'measured':>9} {'ratio':>6}  MB above imports")
        for case in (case for case in cases() if options.only in case.name):
            folder = Path(root) / case.base
            if not folder.exists():
                make_base(case.base, folder / "base")
                make_workspace(folder / "workspace", folder / "base")
            rows.append(row(case, folder))
            one = rows[-1]
            print(
                f"{one['estimate'] / 1e6:>9.0f} {one['measured'] / 1e6:>9.0f} {one['ratio']:>6.2f}  {case.name}",
                flush=True,
            )
    ratios = [one["ratio"] for one in rows]
    within = sum(0.75 <= ratio <= 1.25 for ratio in ratios)
    print(f"{within} of {len(rows)} within 25 %; ratios {min(ratios):.2f} to {max(ratios):.2f}")
    if options.json:
        write_json(options.json, {"rows": rows})


def row(case: Case, folder: Path) -> dict:
    """Estimate and measurement of one case, in a process that starts like a stage's."""
    workspace, settings = Workspace(folder / "workspace"), case.settings(folder / "base")
    guessed = estimate_resolved(case.stage, Resolved(settings, Parents("bench")), workspace).total
    command = [sys.executable, __file__, "--one", json.dumps(vars(case)), "--folder", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=child_environment())
    measured = json.loads(done.stdout.splitlines()[-1])["measured"]
    return {**vars(case), "estimate": guessed, "measured": measured, "ratio": guessed / measured}


if __name__ == "__main__":
    main()
