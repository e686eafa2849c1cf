"""The reward models behind an arena's policies: their scores of what people judged, and how they compare.

Scores are computed in the inference process, and each of them once. Shipped demo policies come without their
reward models, so there is nothing to compare for them. No torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.votes import VoteStore
from data.workspace import Workspace
from evaluation.ballots import Ballot
from evaluation.people_and_reward import AgainstPeople, against_people
from pipeline.arena.client import InferenceClient
from pipeline.arena.lineup import Lineup

ROWS_AT_ONCE = 64  # answers per request, so that a question in the arena waits for seconds at most


@dataclass(frozen=True)
class ArenaReward:
    """A reward model of a line-up. run: its run's id; policy: the one that was trained against it."""

    run: str
    precision: str
    policy: str


def reward_models(workspace: Workspace, lineup: Lineup) -> list[ArenaReward]:
    """The reward models whose files are here, in the order of precision."""
    runs = {policy.name: policy.weights.get("reward_run") for policy in lineup.policies}
    found = []
    for precision in PRECISIONS:
        run = runs.get(f"ppo-{precision}")
        if run and (workspace.run(run) / "model" / "head.safetensors").is_file():
            found.append(ArenaReward(run, precision, f"ppo-{precision}"))
    return found


class Rewards:
    """Scores of an arena's answers."""

    def __init__(self, workspace: Workspace, client: InferenceClient, store: VoteStore):
        self._workspace, self._client, self._store = workspace, client, store

    def score(self, lineup: Lineup, season: str, round_id: str | None = None) -> None:
        """Score the answers of a season that were voted on, or those of one round; known scores stay.

        Raises UserError where the line-up has no reward models, and where the process cannot answer.
        """
        models = reward_models(self._workspace, lineup)
        if not models:
            raise UserError("these policies come without their reward models", code=Code.MODEL)
        for model in models:
            reward = {
                "base_model": lineup.base_model,
                "folder": str(self._workspace.run(model.run) / "model"),
                "precision": model.precision,
            }
            waiting = self._store.unscored(model.run, season, round_id)
            for start in range(0, len(waiting), ROWS_AT_ONCE):
                rows = waiting[start : start + ROWS_AT_ONCE]
                asked = [{"prompt": row.prompt, "text": row.text} for row in rows]
                scores = self._client.score(lineup, reward, asked)
                self._store.store_scores(
                    model.run,
                    [(row.round, row.letter, score) for row, score in zip(rows, scores, strict=True)],
                )

    def of_round(self, lineup: Lineup, round_id: str) -> dict[str, Mapping[str, float]]:
        """{precision: {policy: score}} of a round's answers, as far as they were scored."""
        item = self._store.item_of(round_id)
        found = {
            model.precision: self._store.scores(model.run, item).get(item, {})
            for model in reward_models(self._workspace, lineup)
        }
        return {precision: scores for precision, scores in found.items() if scores}

    def compared(self, lineup: Lineup, ballots: list[Ballot]) -> dict[str, AgainstPeople]:
        """{precision: the reward model against the people}, on the comparisons whose answers were scored."""
        found = {}
        for model in reward_models(self._workspace, lineup):
            scores = self._store.scores(model.run)
            result = against_people(ballots, [scores.get(ballot.item) for ballot in ballots], model.policy)
            if result is not None:
                found[model.precision] = result
        return found
