"""From votes to new policies: a data set of all votes, reward models on it, and policies against them.

The policies start from the SFT run that answered in the season and learn on the prompts of its data set, so
that nothing but the reward models is new; a further SFT run would learn the answers that people happened to
see. The reward models are trained further where earlier ones on other data are there, else from SFT. The new
policies open a new season by themselves. `train_on_votes` serves the page; `all --set source=votes` follows
the same plan.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.sources import default_name
from data.workspace import Workspace
from pipeline.arena.adoption import adopt
from pipeline.arena.lineup import choices
from pipeline.runs.jobs import JobRunner
from pipeline.runs.lineage import Lineage
from pipeline.runs.parents import dataset_name
from pipeline.runs.reader import RunReader
from pipeline.settings.layers import build

SOURCE = DATASET = "votes"
PASSES = 2  # over the votes' pairs; the steps of the presets suit data sets that are many times larger
Demos = Mapping[str, Path] | None  # as in `pipeline.arena.lineup.choose`


@dataclass(frozen=True)
class VotesPlan:
    """What each stage is told on the way from votes to policies.

    sft: the SFT run that all of them stand on. prompts: the data set whose prompts the policies learn on and
    are evaluated on. starts: {precision: the reward run that is trained further}; empty = from SFT.
    """

    sft: str
    prompts: str
    starts: Mapping[str, str]

    def settings(self, stage: str) -> dict[str, str]:
        """The settings of a stage that differ from the preset's; {} for a stage that takes no part."""
        stands = {"sft_run": self.sft}
        return {
            # All votes are for the reward models: no judge, no sample.
            "prepare": {"source": SOURCE, "name": DATASET, "judge_fraction": "0", "max_rows": "0"},
            "reward": {"dataset": DATASET, "max_steps": "0", "epochs": str(PASSES), **stands}
            | {"start": "reward" if self.starts else "sft"},
            "ppo": {"dataset": self.prompts, **stands},
            "evaluate": {"dataset": self.prompts, **stands},
        }.get(stage, {})


def votes_plan(
    workspace: Workspace,
    preset: str,
    precisions: Sequence[str] = PRECISIONS,
    *,
    further: bool = True,
    demos: Demos = None,
    prepare: Callable[[], str] | None = None,
) -> VotesPlan:
    """The plan for a preset. further: train earlier reward models further where every precision has one.

    prepare: makes the preset's data set where the shipped SFT model answered and no prompts are here yet, and
    returns the run's id. Raises UserError where nothing was voted on, or there is no SFT model to start from.
    """
    if not workspace.votes_db.is_file():
        raise UserError("nothing was voted on yet: vote first", code=Code.NO_VOTES)
    sft = _sft_run(workspace, preset, demos, prepare)
    line = Lineage(RunReader(workspace))
    prompts = next(run.parents.dataset for run in line.records if run.id == sft)
    first = {arm: line.untouched("reward", sft, preset, arm) for arm in precisions}
    starts = {arm: run.id for arm, run in first.items() if run}
    complete = further and len(starts) == len(precisions)
    return VotesPlan(sft, prompts, starts if complete else {})


def train_on_votes(
    workspace: Workspace,
    jobs: JobRunner,
    preset: str,
    precisions: Sequence[str] = PRECISIONS,
    *,
    further: bool = True,
    demos: Demos = None,
) -> list[str]:
    """Put the runs into the queue, in order; returns their ids.

    Each run names its parents, so that none of them trains on something else where an earlier one fails.
    Raises UserError as `votes_plan` does.
    """
    runs: list[str] = []

    def start(stage: str, precision: str | None, **values: str) -> str:
        runs.append(
            jobs.start(stage, preset, precision, [f"{name}={value}" for name, value in values.items()])
        )
        return runs[-1]

    plan = votes_plan(
        workspace, preset, precisions, further=further, demos=demos, prepare=lambda: start("prepare", None)
    )
    start("prepare", None, **plan.settings("prepare"))
    rewards = {}
    for arm in precisions:
        named = {"start_run": plan.starts[arm]} if plan.starts else {}
        rewards[arm] = start("reward", arm, **plan.settings("reward"), **named)
    for arm, reward in rewards.items():
        start("ppo", arm, **plan.settings("ppo"), reward_run=reward)
    start("evaluate", None, **plan.settings("evaluate"))
    return runs


def _sft_run(workspace: Workspace, preset: str, demos: Demos, prepare: Callable[[], str] | None) -> str:
    """The SFT run that answered last, else the newest; else the shipped SFT model, as a run."""
    line = Lineage(RunReader(workspace))
    lineups = [found for found in choices(workspace, demos) if found.preset == preset]
    answered = next((found.policies[0].weights["run"] for found in lineups if not found.demo), None)
    newest = line.newest_done("sft", preset)
    if answered or newest:
        return str(answered or (newest and newest.id))
    demo = next((found for found in lineups if found.demo and "sft" in found.names), None)
    if demo is None:
        raise UserError(
            f"there is no done SFT run of the preset {preset} to train on the votes from",
            code=Code.PARENT,
            command="run `sft` first",
        )
    made = next((run for run in line.done("prepare", preset) if run.config.get("source") != SOURCE), None)
    if made:
        return adopt(workspace, demo, dataset_name(made), made.id)
    if prepare is None:
        raise UserError(
            f"there is no data set of the preset {preset} for the policies' prompts yet",
            code=Code.DATASET,
            command="run `prepare` first",
        )
    name = default_name(build("prepare", preset).source)
    return adopt(workspace, demo, name, prepare())
