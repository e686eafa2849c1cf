"""A conversation with one policy: the model at the end of a run, or a snapshot that the run has saved.

It is not blind and stores nothing: no round, no vote, no text. The arena's inference process answers, with
the sampling settings of the run, so that the answers are those that the arena would show. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import Code, UserError
from data.records import transcript
from data.workspace import Workspace
from pipeline.arena.checks import checked_text
from pipeline.arena.client import InferenceClient
from pipeline.arena.lineup import Lineup, Policy, answer_length
from pipeline.arena.rounds import PROMPT_CHARACTERS
from pipeline.runs import snapshots
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import build

STAGES_THAT_ANSWER = ("sft", "ppo")
LAST = "last"  # the model at the end of a run


@dataclass(frozen=True)
class Version:
    """A policy that a run has saved. name: `LAST`, or the step of a snapshot as text."""

    name: str
    folder: Path


def versions(workspace: Workspace, record: RunRecord) -> list[Version]:
    """What of a run can answer: its final model if it is done, and its snapshots, the latest first."""
    if record.stage not in STAGES_THAT_ANSWER:
        return []
    folder = workspace.run(record.id)
    saved = [Version(str(step), path) for step, path in reversed(snapshots.found(folder).items())]
    last = [Version(LAST, folder / "model")] if record.status == "done" else []
    return [version for version in (*last, *saved) if (version.folder / "model.json").is_file()]


def lineup_of(workspace: Workspace, record: RunRecord, name: str = LAST) -> Lineup:
    """The line-up with one version of a run alone. Raises UserError if the run has no such version."""
    folder = next((v.folder for v in versions(workspace, record) if v.name == name), None)
    if folder is None:
        raise UserError(f"{record.id}: has no saved model {name}", code=Code.STATE)
    config, preset = record.config, record.preset or "tiny"
    sampling = build("ppo", preset)  # an SFT run has no sampling settings of its own
    length = int(config.get("response_length") or sampling.response_length)
    policy = Policy(policy_name(record), folder, record.served_precision or "bf16", {"run": record.id})
    return Lineup(
        base_model=config["base_model"],
        preset=preset,
        policies=(policy,),
        temperature=float(config.get("temperature") or sampling.temperature),
        max_new_tokens=answer_length(preset, length),
    )


def policy_name(record: RunRecord) -> str:
    """The name under which a run's policy answers, as in the arena."""
    return "sft" if record.stage == "sft" else f"ppo-{record.precision}"


def answer(
    client: InferenceClient, lineup: Lineup, messages: Sequence[dict[str, str]], *, seed: int, request: str
) -> Iterator[str]:
    """Yield the growing answer to the last message of a conversation.

    messages: {"role": "user" or "assistant", "content"}, the user's last. request: a name for
    `InferenceClient.stop`. Raises UserError for a message that cannot be answered or if no answer comes.
    """
    said = checked_text(messages[-1]["content"], PROMPT_CHARACTERS, "the prompt").strip()
    if not said:
        raise UserError("the prompt is empty", code=Code.PROMPT)
    name = lineup.names[0]
    asked = {name: transcript(messages)}
    for progress in client.stream(lineup, asked, seed=seed, request=request, **lineup.decoding):
        yield progress.texts[name]
