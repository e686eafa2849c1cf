"""Small data sets and short runs for the tests of the trainers."""

import json

from data.datasets import write_splits
from pipeline.commands.execute import execute
from pipeline.runs.record import Run
from pipeline.settings import layers as stage_settings

TOPICS = ("Paris", "eggs", "the sea", "my boss", "Rome", "a cat", "tea", "the moon", "rain", "chess", "soup")


def easy_rows(count, topics=TOPICS):
    """Pairs that every model can learn: the chosen answer is polite, the rejected one is not."""
    return [
        {
            "prompt": f"\n\nHuman: Number {i}, {topics[i % len(topics)]}!\n\nAssistant:",
            "chosen": "Thank you! You are welcome, it is good.",
            "rejected": "No. No no no.",
        }
        for i in range(count)
    ]


def write_dataset(workspace, name="little", train=24, validation=8, test=12, rows=easy_rows):
    """Write a data set folder; returns its name."""
    pool = rows(train + validation + test)
    parts = {"train": pool[:train], "validation": pool[train : train + validation], "test": pool[-test:]}
    write_splits(workspace.dataset(name), parts)
    return name


def run_stage(workspace, stage, base, precision="bf16", **changes):
    """Execute a short run of a stage on a random base; returns the Run."""
    few = {
        "dataset": "little", "max_steps": 4, "batch_size": 8, "micro_batch_size": 4, "eval_steps": 2,
        "save_steps": 2, "learning_rate": 1e-2, "max_length": 96,
    }  # fmt: skip
    if stage == "sft":
        few |= {"base_model": str(base), "lora_rank": 4, "lora_alpha": 8}
    overrides = [f"{key}={value}" for key, value in (few | changes).items()]
    return execute(
        stage, stage_settings.build(stage, "tiny", precision=precision, overrides=overrides), workspace
    )


def stop_after(monkeypatch, steps):
    """Make the next run request a stop once its metrics reach `steps`; returns a function to undo this."""
    before = Run.should_stop

    def should_stop(run):
        path = run.folder / "metrics.jsonl"
        return (path.exists() and f'"step": {steps - 1},' in path.read_text()) or before(run)

    monkeypatch.setattr(Run, "should_stop", should_stop)
    return lambda: monkeypatch.setattr(Run, "should_stop", before)


def lines(run, name):
    """The rows of a run's JSON lines without wall-clock fields."""
    path = run.folder / name
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [{key: value for key, value in row.items() if key != "wall_seconds"} for row in rows]
