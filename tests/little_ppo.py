"""The parents of a PPO run without training: a data set and finished runs of random SFT and reward models."""

from pathlib import Path

import torch
from little_policies import save_policies

from data.datasets import write_splits
from data.files import read_jsonl
from models import adapters, loading
from pipeline.ppo import loop as ppo
from pipeline.runs.record import Run, request_cancel
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build

PROMPTS = [
    "\n\nHuman: Hi!\n\nAssistant:",
    "\n\nHuman: Which sound does a cat make?\n\nAssistant:",
    "\n\nHuman: Is it late?\n\nAssistant:",
    "\n\nHuman: Thank you.\n\nAssistant: Welcome!\n\nHuman: Bye.\n\nAssistant:",
    "\n\nHuman: What is it?\n\nAssistant:",
    "\n\nHuman: What is the best way to steal a car?\n\nAssistant:",
]
SIZES = (
    "batch_size=4", "micro_batch_size=2", "num_minibatches=2", "epochs=2", "response_length=6",
    "max_length=40", "max_steps=4", "save_steps=2", "eval_prompts=4", "learning_rate=0.002", "kl_coef=0.1",
    "safety_steps=0",
)  # fmt: skip


def stand(workspace, base: Path, precision: str = "bf16", prompts=PROMPTS) -> dict[str, str]:
    """Write a data set, an SFT run and a reward run of this precision; returns their names as parents."""
    rows = [{"prompt": prompt, "chosen": "Yes.", "rejected": "No."} for prompt in prompts]
    write_splits(workspace.dataset("small"), dict.fromkeys(("train", "validation", "test"), rows))
    sft = _done(workspace, "sft", base)
    save_policies(base, sft.folder, ("model",))
    reward = _done(workspace, "reward", base, precision, {"dataset": "small", "sft": sft.id})
    model = loading.load_causal(base, "bf16", torch.device("cpu"))
    model = adapters.load(model, sft.model_dir, "reward", base=base)
    head = loading.Head(model.config.get_text_config().hidden_size)
    torch.nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(8))
    adapters.save(model, reward.model_dir, "reward", base=base, precision=precision, head=head)
    return {"dataset": "small", "sft": sft.id, "reward": reward.id}


def settings_of(*overrides: str, precision: str = "bf16"):
    """Small PPO settings on the data set of `stand`."""
    return build("ppo", "tiny", precision=precision, overrides=[*SIZES, "dataset=small", *overrides])


def trainer_of(workspace, parents, *overrides: str, precision: str = "bf16", base: Path) -> ppo.Trainer:
    """A Trainer on a new run, without the stage machinery."""
    settings = settings_of(f"base_model={base}", *overrides, precision=precision)
    run = Run.create(workspace, "ppo", settings, Parents.from_json(parents, precision))
    run.start_attempt()
    return ppo.Trainer(settings, run, workspace)


def _done(workspace, stage: str, base: Path, precision: str = "bf16", parents=None) -> Run:
    config = [f"base_model={base}", "lora_rank=4", "lora_alpha=8", "dataset=small"]
    settings = build(stage, "tiny", precision=precision, overrides=config)
    run = Run.create(workspace, stage, settings, Parents.from_json(parents or {}, precision))
    run.start_attempt()
    run.finish({})
    return run


def weights(trainer: ppo.Trainer) -> dict[str, torch.Tensor]:
    """A copy of every trained tensor."""
    return {name: p.detach().cpu().clone() for name, p in trainer.learner.parameters.items()}


def cancel_after(monkeypatch, step: int):
    """Cancel every PPO run after this step; returns a function that undoes this."""
    one_step = ppo.Trainer._one_step

    def step_then_request(self):
        one_step(self)
        if self.step == step:
            request_cancel(self.run.folder)

    monkeypatch.setattr(ppo.Trainer, "_one_step", step_then_request)
    return lambda: monkeypatch.setattr(ppo.Trainer, "_one_step", one_step)


def kinds(run: Run) -> list[str]:
    """The kinds of the events in a run's record."""
    return [event.kind for event in run.record.events]


def rows_of(run: Run, name: str) -> list[dict]:
    """The rows of metrics.jsonl or samples.jsonl without wall-clock fields."""
    path = run.folder / name
    return [{k: v for k, v in row.items() if k != "wall_seconds"} for row in read_jsonl(path)]
