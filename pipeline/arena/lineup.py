"""The line-ups of the arena: policies that were trained here, or the demo policies that the project ships.

The policies of a round share preset, base and SFT run, so that they differ only in their reward model.
`choices` lists all line-ups that can answer, `choose` selects one. Reads records only; loads no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data.bases import gguf_file, is_here
from data.errors import Code, UserError
from data.files import read_json, sha256_file, sha256_remembered
from data.policies import POLICIES
from data.seasons import SeasonFacts
from data.workspace import Workspace
from pipeline.runs.reader import list_runs
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import build

# The presets with demo policies, the default first.
DEMO_PRESETS = ("small", "tiny")
# Real language models end their answers by themselves, so the arena allows longer ones than training does.
LONGEST_ANSWER = 160


@dataclass(frozen=True)
class Policy:
    """An adapter that can answer.

    precision: of the base that it is served on. weights: what is known of its origin, for a vote's record.
    """

    name: str
    folder: Path
    precision: str
    weights: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lineup:
    """The policies of a round and their common decoding parameters.

    base_model: as in the settings. demo: shipped, not trained here. since and dataset: end time and data set
    of the newest policy's run, as in its record; "" for demo policies.
    """

    base_model: str
    preset: str
    policies: tuple[Policy, ...]
    temperature: float
    max_new_tokens: int
    demo: bool = False
    since: str = ""
    dataset: str = ""

    @property
    def key(self) -> str:
        """The name with which `choose` finds this line-up again."""
        return f"{'demo' if self.demo else 'runs'}-{self.preset}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(policy.name for policy in self.policies)

    @property
    def decoding(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "max_new_tokens": self.max_new_tokens}

    def as_json(self) -> dict[str, Any]:
        """The line-up in the form that is sent to the inference process."""
        rows = [asdict(policy) | {"folder": str(policy.folder)} for policy in self.policies]
        return {"base_model": self.base_model, "policies": rows}

    def season(self) -> SeasonFacts:
        """The season that rounds with these policies belong to. Reads the adapters to hash them."""
        folders = {policy.name: policy.folder for policy in self.policies}
        card = read_json(folders[self.names[0]] / "model.json")
        return SeasonFacts(
            preset=self.preset,
            base_model=self.base_model,
            base_hash=card["base_hash"],
            policies={
                name: sha256_file(path / "adapter_model.safetensors") for name, path in folders.items()
            },
            decoding=self.decoding | {"top_k": 0, "top_p": 1.0},
            demo=self.demo,
        )


def choose(workspace: Workspace, demos: Mapping[str, Path] | None = None, wanted: str = "") -> Lineup:
    """The line-up with the key `wanted`; without one, the first of `choices`.

    demos: {preset: folder} of the demo policies; None takes those that the project ships. Raises UserError
    if no line-up can answer, and for a key that is not among the choices.
    """
    found = list(choices(workspace, demos))
    if not found:
        raise UserError("the arena has no two policies yet", code=Code.POLICIES)
    if not wanted:
        return found[0]
    for lineup in found:
        if lineup.key == wanted:
            return lineup
    raise UserError(
        f"models={wanted}: not available; choose one of {', '.join(lineup.key for lineup in found)}",
        code=Code.POLICIES,
    )


def choices(workspace: Workspace, demos: Mapping[str, Path] | None = None) -> Iterator[Lineup]:
    """Yield the line-ups that can answer: those trained here, newest first, then the demo policies."""
    yield from trained(workspace)
    for preset, folder in (shipped() if demos is None else demos).items():
        if lineup := _demo(preset, folder):
            yield lineup


def shipped() -> dict[str, Path]:
    """The folders of the shipped demo policies by preset, one folder per policy inside each."""
    models = Path(__file__).resolve().parents[2] / "models"
    return {preset: models / preset / "demo" for preset in DEMO_PRESETS}


def trained(workspace: Workspace) -> Iterator[Lineup]:
    """Yield one line-up per preset: the newest done PPO run, its SFT run, and the newest PPO run of each
    other precision from the same SFT run."""
    runs = [run for run in list_runs(workspace) if run.status == "done" and _has_model(workspace, run)]
    policies = [run for run in runs if run.is_policy]
    by_id = {run.id: run for run in runs}
    seen: set[str] = set()
    for newest in policies:
        sft, preset = by_id.get(newest.parents.sft), newest.preset or ""
        if sft is None or preset in seen:
            continue
        seen.add(preset)
        found = {"sft": _policy("sft", workspace, sft)}
        for run in policies:
            name = f"ppo-{run.precision}"
            same = run.parents.sft == sft.id and run.preset == newest.preset
            if same and name in POLICIES and name not in found:
                found[name] = _policy(name, workspace, run)
        config = newest.config
        yield Lineup(
            base_model=config["base_model"],
            preset=preset,
            policies=tuple(found[name] for name in POLICIES if name in found),
            temperature=config["temperature"],
            max_new_tokens=answer_length(preset, config["response_length"]),
            since=newest.ended or "",
            dataset=newest.parents.dataset,
        )


def answer_length(preset: str, response_length: int) -> int:
    """The maximum length of an answer in tokens. In the tiny world it is the same as in training."""
    return response_length if preset == "tiny" else max(response_length, LONGEST_ANSWER)


def _policy(name: str, workspace: Workspace, run: RunRecord) -> Policy:
    precision = run.precision or "bf16"
    weights = {"run": run.id, "preset": run.preset, "reward_run": run.parents.rewards.get(precision)}
    return Policy(name, workspace.run(run.id) / "model", run.served_precision or precision, weights)


def _has_model(workspace: Workspace, run: RunRecord) -> bool:
    folder = workspace.run(run.id) / "model"
    return all((folder / name).is_file() for name in ("adapter_model.safetensors", "model.json"))


def _same_file(base_model: str, made_from: Mapping[str, Any] | None) -> bool:
    """Whether a base from a GGUF file would be converted from the same file as in the record `made_from`."""
    file = gguf_file(base_model)
    return file is None or made_from is None or sha256_remembered(file) == made_from["sha256"]


def _demo(preset: str, folder: Path) -> Lineup | None:
    """The demo policies in a folder; None if there are fewer than two, or their base is not installed."""
    names = [name for name in POLICIES if (folder / name / "adapter_model.safetensors").is_file()]
    if len(names) < 2:
        return None
    card = read_json(folder / names[0] / "model.json")
    base_model = card["base_model"]
    if not (is_here(base_model) and _same_file(base_model, card.get("base_origin"))):
        return None
    facts = {"run": None, "preset": preset, "reward_run": None}
    settings = build("ppo", preset)
    # The demo policies were trained in controlled mode: each of them uses the bf16 base.
    policies = tuple(Policy(name, folder / name, "bf16", facts) for name in names)
    length = answer_length(preset, settings.response_length)
    return Lineup(base_model, preset, policies, settings.temperature, length, demo=True)
