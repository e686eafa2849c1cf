"""Drops pairs that are too long for a base, before the data is split.

Training truncates rows that are too long, and without the beginning of its prompt a response may answer a
different question. If there are enough pairs, it is better to drop such rows. Lengths are counted as in
training: in the base's tokens, with its chat template.
"""

from data.records import Pair
from pipeline.runs.record import Run
from pipeline.settings.fields import PrepareSettings

ENOUGH = 0.5  # share of the pairs that must remain; otherwise all are kept and the stages truncate them


def dropped(
    pairs: dict[str, list[Pair]], settings: PrepareSettings, run: Run
) -> tuple[dict[str, list[Pair]], int]:
    """(the pairs within `longest_prompt` and `longest_pair`, the number of dropped pairs)."""
    if not settings.tokens_of or not (settings.longest_prompt or settings.longest_pair):
        return pairs, 0
    fits = _counter(settings.tokens_of, settings.longest_prompt, settings.longest_pair)
    kept = {split: [pair for pair in rows if fits(pair)] for split, rows in pairs.items()}
    total, left = (sum(map(len, rows.values())) for rows in (pairs, kept))
    if left < ENOUGH * total:
        run.event(
            "long pairs kept", f"only {left} of {total} pairs are short enough: all are kept and truncated"
        )
        return pairs, 0
    return kept, total - left


def _counter(base: str, longest_prompt: int, longest_pair: int):
    """A function that returns whether a pair is within the limits; a limit of 0 means no limit."""
    from models.loading import load_tokenizer
    from models.prompting import PromptFormat

    prompt_format = PromptFormat(load_tokenizer(base))

    def fits(pair: Pair) -> bool:
        prompt = len(prompt_format.encode_prompt(pair.prompt, 1 << 30))
        if longest_prompt and prompt > longest_prompt:
            return False
        responses = prompt_format.encode_responses([pair.chosen, pair.rejected])
        return not longest_pair or prompt + max(map(len, responses)) <= longest_pair

    return fits
