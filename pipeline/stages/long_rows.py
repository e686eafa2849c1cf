"""Pairs that are too long for a base to see whole are dropped, before there are splits.

Training cuts what does not fit, and a prompt that lost its beginning is an answer to something that nobody
asked. Where pairs are plenty they are better left out. Lengths are counted as training counts them: in the
base's tokens, with its chat template.
"""

from data.records import Pair
from pipeline.runs.record import Run
from pipeline.settings.fields import PrepareSettings

ENOUGH = 0.5  # of the pairs must stay: data that is mostly long is cut by the stages instead


def dropped(
    pairs: dict[str, list[Pair]], settings: PrepareSettings, run: Run
) -> tuple[dict[str, list[Pair]], int]:
    """(the pairs within `longest_prompt` and `longest_pair`, the number of the others)."""
    if not settings.tokens_of or not (settings.longest_prompt or settings.longest_pair):
        return pairs, 0
    fits = _counter(settings.tokens_of, settings.longest_prompt, settings.longest_pair)
    kept = {split: [pair for pair in rows if fits(pair)] for split, rows in pairs.items()}
    total, left = (sum(map(len, rows.values())) for rows in (pairs, kept))
    if left < ENOUGH * total:
        run.event("long pairs kept", f"only {left} of {total} pairs are short enough: all stay, and are cut")
        return pairs, 0
    return kept, total - left


def _counter(base: str, longest_prompt: int, longest_pair: int):
    """Whether a pair is within the limits, 0 being none."""
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
