"""The experiment record of a PPO run: experiments/NAME.json, in the project's documented format and more.

The format defines the keys experiment_id, date, model_config, training_config and results. The record adds
hardware, software, the files of the curves, anomalies with the reactions to them, parents, targets and, after
`evaluate`, its row. This module only copies the contents of run records; it measures nothing.

    write_experiment(workspace, run.record, results=results)
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.files import read_json, read_jsonl, write_json
from data.workspace import Workspace
from evaluation.targets import seed_targets
from pipeline.runs.record_file import RunRecord


def write_experiment(
    workspace: Workspace,
    run_record: RunRecord,
    results: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
) -> Path:
    """Write or replace the record of one PPO run and return its path.

    results: replace run_record.results, which is empty until the run is done. evaluation: the run's row of an
    `evaluate` run; None keeps an earlier one. The file is named after the run's `name` (with the end of its
    id if another run has the same name), or after its id if it has no name.
    """
    results = dict(results if results is not None else run_record.results)
    config, resources = run_record.config, run_record.resources.to_json()
    seconds = run_record.seconds or _seconds_so_far(run_record)
    path = _path(workspace, run_record)
    if evaluation is None and path.is_file():
        evaluation = read_json(path).get("evaluation")
    model = _model_card(workspace, run_record)
    folder = workspace.relative(workspace.run(run_record.id))
    curve = read_jsonl(workspace.run(run_record.id) / "metrics.jsonl")
    facts = {**results, **resources, "seconds": seconds}
    record = {
        "experiment_id": run_record.id,
        "date": (run_record.started or "")[:10],
        "model_config": {
            "base_model": model.get("base_model") or config.get("base_model"),
            "precision": run_record.precision,
            "lora_rank": model.get("lora_rank") or config.get("lora_rank"),
            "lora_alpha": model.get("lora_alpha") or config.get("lora_alpha"),
            "mode": config.get("mode"),
            "base_hash": model.get("base_hash"),
        },
        "training_config": {
            "batch_size": config.get("batch_size"),
            "learning_rate": config.get("learning_rate"),
            "epochs": config.get("epochs"),
            "seed": run_record.seed,
            "all": dict(config),
        },
        "results": {
            "final_reward": results.get("score_mean"),
            "kl_divergence": results.get("kl_per_token"),
            "training_time": None if seconds is None else f"{seconds / 60:.1f}min",
            "training_seconds": seconds,
            **results,
        },
        "targets": seed_targets(facts),
        "resources": dict(resources),
        "parents": run_record.parents.to_json(),
        "hardware": dict(run_record.hardware),
        "software": dict(run_record.software),
        "curves": {
            "metrics": f"{folder}/metrics.jsonl",
            "samples": f"{folder}/samples.jsonl",
            "steps": len(curve),
            "last": curve[-1] if curve else None,
        },
        "anomalies": [event.to_json() for event in run_record.events],
        "evaluation": dict(evaluation) if evaluation else None,
    }
    write_json(path, record)
    return path


def _path(workspace: Workspace, run_record: RunRecord) -> Path:
    run_id = run_record.id
    name = run_record.config.get("name") or run_id
    path = workspace.experiment(name)
    if path.is_file():
        try:
            owner = read_json(path)["experiment_id"]
        except (UserError, KeyError, TypeError):  # damaged: do not overwrite it, so that it can be repaired
            owner = None
        if owner != run_id:
            # Shorten the name, because a file name has a maximum length.
            start = name.encode()[:100].decode(errors="ignore")
            return workspace.experiment(f"{start}-{run_id[-4:]}")
    return path


def _model_card(workspace: Workspace, run_record: RunRecord) -> dict[str, Any]:
    path = workspace.run(run_record.id) / "model" / "model.json"
    return read_json(path) if path.is_file() else {}


def _seconds_so_far(run_record: RunRecord) -> float | None:
    """Seconds of all attempts until now. The run's own figure is written only at its end."""
    seconds, known = 0.0, False
    for attempt in run_record.attempts:
        spent = attempt.seconds
        if spent is None and attempt.status == "running" and attempt.started:
            started = datetime.strptime(attempt.started, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            spent = (datetime.now(UTC) - started).total_seconds()
        if spent is not None:
            seconds, known = seconds + spent, True
    return round(seconds, 1) if known else None
