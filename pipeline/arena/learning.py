"""From votes to new policies: the queue's runs that train on what people preferred.

A data set of all votes, a reward model in each precision on it, and a policy against each of these reward
models. They stand on the newest SFT run, and the policies are trained on the prompts of its data set, so that
nothing but the reward models is new. The new policies open a new season by themselves.
"""

from collections.abc import Sequence

from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.workspace import Workspace
from pipeline.runs.jobs import JobRunner
from pipeline.runs.lineage import newest_done

DATASET = "votes"


def train_on_votes(
    workspace: Workspace, jobs: JobRunner, preset: str, precisions: Sequence[str] = PRECISIONS
) -> list[str]:
    """Put the runs into the queue, in order; returns their ids.

    Each run names its parents, so that none of them trains on something else where an earlier one fails.
    Raises UserError where the preset has no SFT run, or nothing was voted on.
    """
    if not workspace.votes_db.is_file():
        raise UserError("nothing was voted on yet: vote first", code=Code.NO_VOTES)
    sft = newest_done(workspace, "sft", preset)
    if sft is None:
        raise UserError(
            f"there is no done SFT run of the preset {preset} to train on the votes from",
            code=Code.PARENT,
            command="run `sft` first",
        )
    runs = [jobs.start("prepare", preset, None, ["source=votes", f"name={DATASET}"])]
    stands = [f"sft_run={sft.id}"]
    rewards = {
        precision: jobs.start("reward", preset, precision, [f"dataset={DATASET}", *stands])
        for precision in precisions
    }
    prompts = f"dataset={sft.parents.dataset}"
    policies = [
        jobs.start("ppo", preset, precision, [prompts, *stands, f"reward_run={run}"])
        for precision, run in rewards.items()
    ]
    return [*runs, *rewards.values(), *policies]
