"""From votes to new policies: a data set of all votes, reward models on it, and policies against them.

The policies start from the SFT run that answered in the season and learn on the prompts of its data set, so
that nothing but the reward models is new; a further SFT run would learn the answers that people happened to
see. The reward models are trained further where earlier ones on other data are there, else from SFT. The new
policies open a new season by themselves. `train_on_votes` serves the page; `all --set source=votes` follows
the same plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.workspace import Workspace
from pipeline.arena.lineup import trained
from pipeline.runs.jobs import JobRunner
from pipeline.runs.lineage import Lineage
from pipeline.runs.reader import RunReader

SOURCE = DATASET = "votes"
PASSES = 2  # over the votes' pairs; the steps of the presets suit data sets that are many times larger


@dataclass(frozen=True)
class VotesPlan:
    """What each stage is told on the way from votes to policies.

    sft: the SFT run that all of them stand on. prompts: the data set whose prompts the policies learn on and
    are evaluated on. starts: {precision: the reward run that is trained further}; empty = from SFT.
    """

    sft: str
    prompts: str
    starts: dict[str, str]

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
    workspace: Workspace, preset: str, precisions: Sequence[str] = PRECISIONS, *, further: bool = True
) -> VotesPlan:
    """The plan for a preset. further: train earlier reward models further where every precision has one.

    Raises UserError where nothing was voted on, or the preset has no SFT run.
    """
    if not workspace.votes_db.is_file():
        raise UserError("nothing was voted on yet: vote first", code=Code.NO_VOTES)
    line = Lineage(RunReader(workspace))
    answered = next((found for found in trained(workspace) if found.preset == preset), None)
    run = answered.policies[0].weights["run"] if answered else None
    sft = next((found for found in line.records if found.id == run), None)
    sft = sft or line.newest_done("sft", preset)
    if sft is None:
        raise UserError(
            f"there is no done SFT run of the preset {preset} to train on the votes from",
            code=Code.PARENT,
            command="run `sft` first",
        )
    first = {arm: line.untouched("reward", sft.id, preset, arm) for arm in precisions}
    starts = {arm: run.id for arm, run in first.items() if run}
    complete = further and len(starts) == len(precisions)
    return VotesPlan(sft.id, sft.parents.dataset, starts if complete else {})


def train_on_votes(
    workspace: Workspace,
    jobs: JobRunner,
    preset: str,
    precisions: Sequence[str] = PRECISIONS,
    *,
    further: bool = True,
) -> list[str]:
    """Put the runs into the queue, in order; returns their ids.

    Each run names its parents, so that none of them trains on something else where an earlier one fails.
    Raises UserError as `votes_plan` does.
    """
    plan = votes_plan(workspace, preset, precisions, further=further)

    def start(stage: str, precision: str | None, **named: str) -> str:
        values = plan.settings(stage) | named
        return jobs.start(stage, preset, precision, [f"{name}={value}" for name, value in values.items()])

    runs = [start("prepare", None)]
    rewards = {}
    for precision in precisions:
        named = {"start_run": plan.starts[precision]} if plan.starts else {}
        rewards[precision] = start("reward", precision, **named)
    policies = [start("ppo", precision, reward_run=run) for precision, run in rewards.items()]
    return [*runs, *rewards.values(), *policies, start("evaluate", None)]
