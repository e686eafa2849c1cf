"""One side of `ppo_step.py` in a separate process: measures PPO steps of this project or of TRL.

It prints one JSON object: seconds (wall) and cpu_seconds per step with the split generate / score / update,
the resident memory after the imports and its maximum during the steps, and on a GPU the peak of torch's
allocator. The first step is a warm-up, which does not count for the times but does for the memory. With --turns it prints a
line after each step and waits for one before it continues, so that `ppo_step.py` can let several sides take
turns. Manual use:

    python benchmarks/ppo_side.py ours --case tiny --folder /tmp/bench --precision int8 --steps 2
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks import ppo_cases
from data.workspace import Workspace
from evaluation import resources

PARTS = ("generate", "score", "update")
END_OF_STEP = "end of step"


class Clock:
    """Wall and CPU seconds of the parts of each step; `between` is called after each step."""

    def __init__(self, between: Callable[[], object]):
        self.between = between
        self.steps: list[dict[str, tuple[float, float]]] = []
        self._marks: dict[str, tuple[float, float]] = {}

    @staticmethod
    def now() -> tuple[float, float]:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def mark(self, name: str) -> None:
        """Record the first time in a step at which something began or ended."""
        self._marks.setdefault(name, self.now())

    def end_step(self, *marks: str) -> None:
        """End a step. marks: where generate began and ended, and where the update began; the update ends
        now."""
        points = [*(self._marks[name] for name in marks), self.now()]
        spans = zip(PARTS, points, points[1:], strict=False)
        self.steps.append({part: (b[0] - a[0], b[1] - a[1]) for part, a, b in spans})
        self._marks = {}
        self.between()

    def result(self) -> dict[str, Any]:
        timed = self.steps[1:]
        row = {}
        for name, place in (("seconds", 0), ("cpu_seconds", 1)):
            for part in PARTS:
                row[f"{part}_{name}"] = statistics.median(step[part][place] for step in timed)
            row[name] = statistics.median(sum(span[place] for span in step.values()) for step in timed)
        return row | {"each_seconds": [sum(span[0] for span in step.values()) for step in timed]}


def my_turn() -> None:
    """Report that a step is done, and wait until the next may begin."""
    print(END_OF_STEP, flush=True)
    sys.stdin.readline()


def around(owner, name: str, before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call `before` and `after` around each call of a method of one object."""
    method = getattr(owner, name)

    def called(*args, **options):
        before()
        try:
            return method(*args, **options)
        finally:
            after()

    setattr(owner, name, called)


def ours(case: ppo_cases.Case, options) -> dict:
    """The step of `python -m pipeline ppo`, in a process that starts in the same way."""
    from models.fast import heap
    from pipeline.ppo.loop import Trainer
    from pipeline.ppo.rollout import Standard
    from pipeline.runs.child import start_again
    from pipeline.training.seeding import make_deterministic

    start_again()
    make_deterministic(42)
    heap.hold()
    start_memory = fresh_peak()
    clock = Clock(my_turn if options.turns else lambda: None)
    workspace, base = Workspace(options.folder / "workspace"), options.folder / "base"
    settings, run = ppo_cases.make_run(case, workspace, base, options.precision, options.mode)
    trainer = Trainer(settings, run, run.workspace)
    trainer.standard = Standard(0.0, 1.0)
    trainer.collector.use_standard(trainer.standard)
    collector = trainer.collector
    around(collector, "_respond", lambda: clock.mark("generate"), lambda: clock.mark("generated"))
    around(collector, "collect", lambda: None, lambda: clock.mark("collected"))
    for _ in range(options.steps + 1):
        trainer._one_step()
        clock.end_step("generate", "generated", "collected")
    return clock.result() | memory(start_memory)


def theirs(case: ppo_cases.Case, options) -> dict:
    """TRL's PPOTrainer: LoRA policy, a complete value model, a reward model; reference = base without adapter."""
    sys.path.insert(0, str(options.trl))
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        TrainerCallback,
    )
    from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

    start_memory = fresh_peak()
    clock = Clock(my_turn if options.turns else lambda: None)
    base = options.folder / "base"
    tokenizer = AutoTokenizer.from_pretrained(base)
    policy = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    value, reward = (
        AutoModelForSequenceClassification.from_pretrained(base, dtype=torch.bfloat16, num_labels=1)
        for _ in range(2)
    )
    generator = torch.Generator().manual_seed(1)
    prompts = torch.randint(34, 127, (8 * case.batch, case.prompt_length), generator=generator).tolist()

    class EndOfStep(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            clock.end_step("generate", "generated", "collected")

    trainer = PPOTrainer(
        args=PPOConfig(
            output_dir=str(options.folder / "trl"),
            total_episodes=case.batch * (options.steps + 1),
            per_device_train_batch_size=case.micro_batch,
            gradient_accumulation_steps=case.batch // case.micro_batch,
            num_mini_batches=case.minibatches,
            num_ppo_epochs=case.epochs,
            local_rollout_forward_batch_size=case.batch,
            response_length=case.response_length,
            temperature=ppo_cases.TEMPERATURE,
            num_sample_generations=0,
            learning_rate=5e-5,
            bf16=options.autocast,
            gradient_checkpointing=False,
            use_cpu=not torch.cuda.is_available(),
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        ),
        processing_class=tokenizer,
        model=policy,
        ref_model=None,
        reward_model=reward,
        value_model=value,
        train_dataset=Dataset.from_dict({"input_ids": prompts}),
        peft_config=LoraConfig(
            r=ppo_cases.LORA_RANK,
            lora_alpha=ppo_cases.LORA_ALPHA,
            target_modules="all-linear" if case.key_heads else ["c_attn", "c_proj", "c_fc"],
            fan_in_fan_out=not case.key_heads,
        ),
        callbacks=[EndOfStep()],
    )
    around(ppo_trainer, "batch_generation", lambda: clock.mark("generate"), lambda: clock.mark("generated"))
    around(trainer.accelerator, "accumulate", lambda: clock.mark("collected"), lambda: None)
    trainer.train()
    return clock.result() | memory(start_memory)


def fresh_peak() -> int:
    """Current resident bytes; resets the high-water mark if the system allows it."""
    if torch.cuda.is_available():
        torch.cuda.init()
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    return resources.rss_bytes()


def memory(after_imports: int) -> dict[str, int]:
    """Peak memory above the level after the imports: of the process on a CPU, of torch's allocator on a GPU."""
    host = resources.peak_rss_bytes() - after_imports
    on_gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return {"import_bytes": after_imports, "host_bytes": host, "peak_bytes": on_gpu or host}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=("ours", "trl"))
    parser.add_argument("--case", required=True, help=f"one of {', '.join(ppo_cases.CASES)}, or JSON")
    parser.add_argument("--folder", type=Path, required=True, help="with base/ and workspace/")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--mode", default="controlled")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument(
        "--turns", action="store_true", help="wait for a line before each step except the first"
    )
    parser.add_argument("--trl", type=Path, help="folder in which TRL 1.12.0 is installed")
    parser.add_argument("--autocast", action="store_true", help="TRL under bf16 autocast")
    options = parser.parse_args()
    ready = options.case in ppo_cases.CASES
    case = ppo_cases.CASES[options.case] if ready else ppo_cases.Case(**json.loads(options.case))
    row = ours(case, options) if options.side == "ours" else theirs(case, options)
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
