"""The judge: a reward model on pairs that no other reward model sees, which compares the finished policies.

Without a gold reward, a policy must not be judged by the reward model that it was trained against. `prepare`
reserves a share of the training prompts (`judge_fraction`), and only the judge learns from them. The judge
deliberately differs from the three reward models: it starts from the raw base and not from the SFT adapter,
so that it shares no trained weight with the policies, one judge serves every SFT run, and its LoRA rank can
be larger. It learns from the data set only, without the project's built-in safety pairs. Everything else is
the same as in `pipeline.stages.reward`.

    python -m pipeline judge --preset small
"""

import torch

from data import datasets
from data.errors import Code, UserError
from data.workspace import Workspace
from models import adapters, loading
from pipeline.runs.record import Run
from pipeline.settings.fields import JudgeSettings
from pipeline.stages import reward
from pipeline.training import trainer as training
from pipeline.training.seeding import make_deterministic


def train(settings: JudgeSettings, run: Run, workspace: Workspace) -> dict:
    """Train and write model/ with its head; returns the metrics on the test split, as a reward model's.

    Raises UserError if the data set has no pairs for a judge.
    """
    make_deterministic(settings.seed)
    base = loading.resolve_base(settings.base_model)
    rows = _rows(workspace, run.record.parents.dataset, settings)
    return reward.fit(settings, run, workspace, base, rows, lambda: starting_model(settings, base))


def _rows(workspace: Workspace, dataset: str, settings: JudgeSettings) -> list[dict]:
    there = "judge" in datasets.read_card(workspace.dataset(dataset))["splits"]
    rows = training.read_rows(workspace, dataset, "judge", settings.max_rows) if there else []
    if not rows:
        raise UserError(
            f"data set {dataset!r} has no pairs set aside for a judge",
            code=Code.DATASET,
            command="prepare it with judge_fraction=0.4",
        )
    return reward.cross_prompt(rows, settings.seed) if settings.augmentation == "cross_prompt" else rows


def starting_model(settings: JudgeSettings, base):
    """The base with a fresh adapter on all linear layers and a fresh fp32 head."""
    model = reward.base_with_head(settings, base)
    shape = adapters.lora_config(model, settings.lora_rank, settings.lora_alpha, settings.lora_dropout)
    torch.manual_seed(settings.seed)  # so that the adapter's start does not depend on earlier random numbers
    return adapters.attach(model, shape, reward.ADAPTER)
