"""Which run comes from which: the parents of a stage, what is stale, what is missing.

A stage takes the newest done parent of its preset, and with it the base and the LoRA shape; `dataset`,
`sft_run` and `reward_run` override. A done run is stale when the same request would find other parents now,
or when one of its parents is stale. "Newest" goes by the order of creation. Reads records only; no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from data.errors import UserError
from data.workspace import Workspace
from pipeline.runs.record import list_runs
from pipeline.settings.fields import PRECISIONS
from pipeline.settings.layers import from_dict, read_config

Record = dict[str, Any]


def newest_done(
    workspace: Workspace, stage: str, preset: str, precision: str | None = None, **config: Any
) -> Record | None:
    """The newest done run of a stage and preset; PPO runs against gold are not policies and left out.

    `config` names settings that the run must have, as seed=43.
    """
    return _newest(list_runs(workspace), stage, preset, precision, **config)


def resolve_parents(stage: str, settings: Any, workspace: Workspace) -> tuple[dict[str, Any], Any]:
    """(parents, settings with what they take over from the parents). Raises UserError where one is missing.

    parents: "dataset" (name) and "prepare" (the run that made it, if known) for sft, reward, ppo, evaluate;
    "sft" (run id) for reward, ppo, evaluate; "reward" (run id) for ppo; for evaluate "reward" and "ppo" are
    {precision: run id} of all that stand on that SFT run.
    """
    return _resolve(stage, settings, workspace, list_runs(workspace))


def stale(workspace: Workspace) -> dict[str, str]:
    """{run id: reason} of the done runs that do not stand on what is newest."""
    runs = list_runs(workspace)
    reasons: dict[str, str] = {}
    for run in sorted(runs, key=lambda run: run["id"]):  # parents before children
        if run["status"] == "done" and run["stage"] in ("sft", "reward", "ppo", "evaluate"):
            reason = _stale_reason(workspace, run, runs, reasons)
            if reason:
                reasons[run["id"]] = reason
    return reasons


def missing(
    workspace: Workspace,
    preset: str,
    asked: Mapping[str, Mapping[str, Any]] | None = None,
    precisions: Iterable[str] = PRECISIONS,
) -> list[dict[str, str]]:
    """What is to be run next, in order: [{"stage", "precision", "reason"}], [] when all is done and fresh.

    `asked`: {stage: {field: value}} that the runs must have; a run with other values does not count.
    """
    runs, marks, asked = list_runs(workspace), stale(workspace), asked or {}
    steps: list[dict[str, str]] = []
    redone: set[tuple[str, str]] = set()
    for stage, precision, needs in plan(precisions):
        run = _newest(
            runs, stage, preset, precision if stage in ("reward", "ppo") else None, **asked.get(stage, {})
        )
        reason = ""
        if run is None:
            reason = "not done yet"
        elif needs & redone:
            reason = "what it stands on is run again"
        elif run["id"] in marks:
            reason = marks[run["id"]]
        if reason:
            steps.append({"stage": stage, "precision": precision, "reason": reason})
            redone.add((stage, precision))
    return steps


def plan(precisions: Iterable[str]) -> list[tuple[str, str, set[tuple[str, str]]]]:
    """(stage, precision, what it stands on) in the order of running."""
    precisions = list(precisions)
    data, sft = ("prepare", "bf16"), ("sft", "bf16")
    plan = [(*data, set()), (*sft, {data})]
    plan += [("reward", p, {data, sft}) for p in precisions]
    plan += [("ppo", p, {data, sft, ("reward", p)}) for p in precisions]
    plan += [("evaluate", "bf16", {(stage, p) for stage, p, _ in plan})]
    return plan


def _newest(
    runs: list[Record], stage: str, preset: str | None, precision: str | None = None, **config: Any
) -> Record | None:
    for run in runs:
        if (
            run["stage"] == stage
            and run["status"] == "done"
            and run["preset"] == preset
            and precision in (None, run["precision"])
            and run["config"].get("reward") != "gold"
            and all(run["config"].get(name) == value for name, value in config.items())
        ):
            return run
    return None


def _resolve(
    stage: str, settings: Any, workspace: Workspace, runs: list[Record]
) -> tuple[dict[str, Any], Any]:
    if stage in ("prepare", "pretrain"):
        return {}, settings
    parents = _dataset(settings, workspace, runs)
    if stage == "sft":
        if not settings.base_model or not settings.lora_rank or not settings.lora_alpha:
            raise UserError("sft has no parent to take base_model, lora_rank or lora_alpha from: set them")
        return parents, settings
    if stage == "evaluate":
        return parents | _policies(settings, runs), settings
    if stage == "ppo" and settings.reward == "model":
        reward = _parent("reward", settings.reward_run, settings, runs, settings.precision)
        sft = _parent("sft", settings.sft_run or reward["parents"]["sft"], settings, runs)
        parents |= {"sft": sft["id"], "reward": reward["id"]}
    else:
        sft = _parent("sft", settings.sft_run, settings, runs)
        parents["sft"] = sft["id"]
    return parents, _inherit(stage, settings, sft)


def _dataset(settings: Any, workspace: Workspace, runs: list[Record]) -> dict[str, Any]:
    made = [run for run in runs if run["stage"] == "prepare" and run["status"] == "done"]
    name = settings.dataset
    if not name:
        newest = next((run for run in made if run["preset"] == settings.preset), None)
        if newest is None:
            raise UserError(
                f"no data set of the preset {settings.preset} yet: run `prepare`, or set dataset=NAME"
            )
        name = dataset_name(newest)
    if not (workspace.dataset(name) / "train_prefs.jsonl").is_file():
        raise UserError(f"dataset={name}: not in {workspace.datasets}; run `prepare` first")
    maker = next((run["id"] for run in made if dataset_name(run) == name), None)
    return {"dataset": name, "prepare": maker}


def dataset_name(prepare_run: Record) -> str:
    """The data set that a prepare run made."""
    return prepare_run["results"].get("dataset") or prepare_run["config"]["name"]


def _parent(
    stage: str, run_id: str, settings: Any, runs: list[Record], precision: str | None = None
) -> Record:
    if not run_id:
        run = _newest(runs, stage, settings.preset, precision)
        if run is None:
            how = f" --precision {precision}" if precision else ""
            raise UserError(
                f"there is no done {stage} run of the preset {settings.preset}"
                f"{f' in {precision}' if precision else ''} yet: run `{stage}{how}` first"
            )
        return run
    run = next((run for run in runs if run["id"] == run_id), None)
    if run is None or run["stage"] != stage:
        raise UserError(f"{stage}_run={run_id}: no such {stage} run; `status` lists them")
    if run["status"] != "done":
        raise UserError(f"{stage}_run={run_id}: is {run['status']}, not done; resume it or choose another")
    if precision and run["precision"] != precision:
        raise UserError(f"{stage}_run={run_id}: is {run['precision']}; add --precision {run['precision']}")
    return run


def _inherit(stage: str, settings: Any, sft: Record) -> Any:
    """Base and LoRA shape are the SFT run's; a different wish is refused rather than ignored."""
    taken = {name: sft["config"][name] for name in ("base_model", "lora_rank", "lora_alpha")}
    for name, value in taken.items():
        wish = getattr(settings, name)
        if wish and wish != value:
            raise UserError(f"{stage}: {name}={wish}, but its SFT run {sft['id']} has {value}; leave it out")
    return dataclasses.replace(settings, **taken)


def _policies(settings: Any, runs: list[Record]) -> dict[str, Any]:
    sft = _parent("sft", settings.sft_run, settings, runs)
    mine = [run for run in runs if run["parents"].get("sft") == sft["id"]]
    found: dict[str, Any] = {"sft": sft["id"], "reward": {}, "ppo": {}}
    for stage in ("reward", "ppo"):
        for precision in PRECISIONS:
            run = _newest(mine, stage, settings.preset, precision)
            if run:
                found[stage][precision] = run["id"]
    if not found["ppo"]:
        raise UserError(f"there is no PPO policy on {sft['id']} to evaluate yet: run `ppo` first")
    return found


def _stale_reason(workspace: Workspace, run: Record, runs: list[Record], reasons: Mapping[str, str]) -> str:
    try:
        asked = from_dict(run["stage"], read_config(workspace.run(run["id"]) / "config.yaml"))
        parents, _ = _resolve(run["stage"], asked, workspace, runs)
    except UserError as error:
        return str(error)
    now, then = _flat(parents), _flat(run["parents"])
    for role in sorted(now.keys() | then.keys()):
        if now.get(role) != then.get(role) and not (role == "prepare" and _same_data(now, then, runs)):
            return f"{role} is now {now.get(role) or 'gone'}, it was {then.get(role) or 'not there'}"
    for role, parent in then.items():
        if parent in reasons:
            return f"its {role} {parent} is stale"
    return ""


def _flat(parents: Mapping[str, Any]) -> dict[str, str]:
    """{"ppo-int8": id, ...}"""
    flat = {}
    for role, value in parents.items():
        if isinstance(value, Mapping):
            flat |= {f"{role}-{precision}": run_id for precision, run_id in value.items()}
        else:
            flat[role] = value
    return flat


def _same_data(now: Mapping[str, str], then: Mapping[str, str], runs: list[Record]) -> bool:
    """Preparing the same data again makes nothing stale."""
    made = {run["id"]: run["results"].get("sha256") for run in runs if run["stage"] == "prepare"}
    return made.get(now.get("prepare")) is not None and made.get(now["prepare"]) == made.get(
        then.get("prepare")
    )
