"""Chooses who answers in the arena: the newest comparable policies, or the shipped demo policies.

Policies of one round share preset, base and SFT run, so that they differ in nothing but their reward model.
The module only reads records and loads no model.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.files import read_json
from data.workspace import Workspace
from pipeline.runs.reader import list_runs

PRECISIONS = ("bf16", "int8", "int4")
NAMES = ("sft", *(f"ppo-{precision}" for precision in PRECISIONS))
DEMO_TEMPERATURE, DEMO_TOKENS = 0.7, 48  # those of the tiny preset's rollouts


@dataclass(frozen=True)
class Policy:
    """An adapter that can answer.

    precision: that of the base on which it is served. weights: the facts about its origin, for a vote's
    record.
    """

    name: str
    folder: Path
    precision: str
    weights: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lineup:
    """The policies of a round and their common decoding. base_model: as in the settings."""

    base_model: str
    preset: str
    policies: tuple[Policy, ...]
    temperature: float = DEMO_TEMPERATURE
    max_new_tokens: int = DEMO_TOKENS
    demo: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(policy.name for policy in self.policies)

    def as_json(self) -> dict[str, Any]:
        """The line-up as sent to the inference process."""
        rows = [asdict(policy) | {"folder": str(policy.folder)} for policy in self.policies]
        return {"base_model": self.base_model, "policies": rows}


def choose(workspace: Workspace, demo_folder: Path | None = None) -> Lineup:
    """The newest done PPO run, its SFT run, and the newest PPO run of each other precision on that SFT run.

    Without such runs, the shipped demo policies. Raises UserError if these are missing too.
    """
    return _trained(workspace) or _demo(demo_folder or demo_policies())


def demo_policies() -> Path:
    """The folder of the shipped policies, with one folder per policy."""
    return Path(__file__).resolve().parents[2] / "models" / "tiny" / "demo"


def _trained(workspace: Workspace) -> Lineup | None:
    runs = [run for run in list_runs(workspace) if run["status"] == "done" and _has_model(workspace, run)]
    trained = [run for run in runs if run["stage"] == "ppo" and run["config"].get("reward") != "gold"]
    by_id = {run["id"]: run for run in runs}
    for newest in trained:
        sft = by_id.get(newest["parents"].get("sft"))
        if sft is not None:
            break
    else:
        return None
    found = {"sft": _policy("sft", workspace, sft)}
    for run in trained:
        name = f"ppo-{run['precision']}"
        same = run["parents"].get("sft") == sft["id"] and run["preset"] == newest["preset"]
        if same and name in NAMES and name not in found:
            found[name] = _policy(name, workspace, run)
    config = newest["config"]
    return Lineup(
        base_model=config["base_model"],
        preset=newest["preset"],
        policies=tuple(found[name] for name in NAMES if name in found),
        temperature=config.get("temperature", DEMO_TEMPERATURE),
        max_new_tokens=config.get("response_length", DEMO_TOKENS),
    )


def _policy(name: str, workspace: Workspace, run: Mapping[str, Any]) -> Policy:
    # In controlled mode a PPO run's policy has a bf16 base, whatever the precision of its reward model.
    shared = run["stage"] != "ppo" or run["config"].get("mode") == "shared"
    weights = {"run": run["id"], "preset": run["preset"], "reward_run": run["parents"].get("reward")}
    return Policy(name, workspace.run(run["id"]) / "model", run["precision"] if shared else "bf16", weights)


def _has_model(workspace: Workspace, run: Mapping[str, Any]) -> bool:
    return (workspace.run(run["id"]) / "model" / "adapter_model.safetensors").is_file()


def _demo(folder: Path) -> Lineup:
    names = [name for name in NAMES if (folder / name / "model.json").is_file()]
    if len(names) < 2:
        raise UserError("the arena has no two policies yet: run `python -m pipeline all` or train them")
    base_model = read_json(folder / names[0] / "model.json")["base_model"]
    facts = {"run": None, "preset": "tiny", "reward_run": None}
    # They were trained in controlled mode, so each has the bf16 base.
    policies = tuple(Policy(name, folder / name, "bf16", facts) for name in names)
    return Lineup(base_model, "tiny", policies, demo=True)
