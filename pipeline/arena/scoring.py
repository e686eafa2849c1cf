"""Reward models that score answers of the arena. Runs inside the inference process (`pipeline.arena.worker`).

One reward model is in memory at a time, beside the policies, because each precision needs a base of its own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models import loading
from models.prompting import PromptFormat
from models.scoring import RewardModel

LONGEST = 1024  # tokens of a prompt and its answer; longer prompts lose their beginning


class Scorer:
    """Scores answers with the reward model that a request names."""

    def __init__(self) -> None:
        self._loaded: tuple[str, str] | None = None
        self._model: RewardModel | None = None

    def score(self, reward: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> list[float]:
        """One score per row. reward: {"base_model", "folder", "precision"}; rows: {"prompt", "text"}.

        Raises UserError for a reward model that is missing, damaged, or of another base.
        """
        base = loading.resolve_base(reward["base_model"])
        wanted = reward["folder"], reward["precision"]
        if self._model is None or self._loaded != wanted:
            self._model, self._loaded = (
                None,
                wanted,
            )  # the memory of the last one is free before the next loads
            device = loading.device()
            self._model = RewardModel.load(Path(reward["folder"]), base, reward["precision"], device)
        prompt_format = PromptFormat(loading.load_tokenizer(base))
        answers = prompt_format.encode_responses([row["text"] for row in rows])
        prompts = [
            prompt_format.encode_prompt(row["prompt"], max(LONGEST - len(ids), 1))
            for row, ids in zip(rows, answers, strict=True)
        ]
        sequences = [prompt + ids for prompt, ids in zip(prompts, answers, strict=True)]
        found: list[Any] = self._model.score(sequences).tolist()
        return [float(score) for score in found]
