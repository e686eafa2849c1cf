"""Measures one policy on a list of prompts: answers, exact log-probabilities, gold reward.

`pipeline.ppo` uses it for its final figures and `pipeline.stages.evaluate` for the comparison of policies, so
that scores and KL mean the same in both. It works on the model's active adapter: the caller activates the
adapter and restores requires_grad afterwards if training continues.

    answers = respond(model, prompts, prompt_format, max_length=256, response_length=64,
                      temperature=0.7, seed=42)
    logprobs = sequence_logprobs(model, answers.prompt_ids, answers.tokens, 0.7, forbid_ids=[pad_id])
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from data import world
from data.datasets import read_split
from data.errors import Code, UserError
from data.workspace import Workspace
from models.generation import generate, row_uniforms

# Largest number of logits in a chunk of the log-probability pass (fp32: 128 MB).
MAX_LOGITS = 2**25


@dataclass
class Responses:
    """N answers, in the order of the prompts.

    prompt_ids: encoded prompts, unpadded. tokens: the sampled ids, cut at the stop; an EOS is kept. texts:
    the decoded text, stripped. logprobs: those of `tokens`, as sampled. ended: whether the answer ended by
    itself.
    values: a value head's output for the state before each token; empty without a value head.
    """

    prompt_ids: list[list[int]]
    tokens: list[list[int]]
    texts: list[str]
    logprobs: list[list[float]]
    ended: list[bool]
    values: list[list[float]] = field(default_factory=list)

    def lengths(self) -> list[int]:
        """Number of tokens per answer, EOS included."""
        return [len(ids) for ids in self.tokens]

    def part(self, rows: slice) -> "Responses":
        return Responses(*(values[rows] for values in vars(self).values()))

    @classmethod
    def joined(cls, parts: Sequence["Responses"]) -> "Responses":
        return cls(*(sum(lists, []) for lists in zip(*(vars(p).values() for p in parts), strict=True)))


def held_out_prompts(workspace: Workspace, dataset: str, n: int, seed: int) -> list[str]:
    """`n` different prompts of a data set's test split (all of them if it has fewer), drawn by `seed`.

    Raises UserError if the split is missing, damaged or empty.
    """
    prompts = list(dict.fromkeys(row["prompt"] for row in read_split(workspace.dataset(dataset), "test")))
    if not prompts:
        raise UserError(
            f"data set {dataset!r} has an empty test split",
            code=Code.DATASET,
            command="prepare it from more rows",
        )
    return random.Random(seed).sample(prompts, min(n, len(prompts)))


def respond(
    model,
    prompts: Sequence[str],
    prompt_format,
    *,
    max_length: int,
    response_length: int,
    temperature: float,
    seed: int,
    batch_size: int = 64,
    uniforms: torch.Tensor | None = None,
    value_head: torch.nn.Module | None = None,
) -> Responses:
    """Sample one answer to each canonical prompt from the full distribution (no top-k, no top-p).

    Prompts are left-truncated to `max_length` tokens. The answer to a prompt depends on `seed` and its place
    in the list, not on `batch_size`; with `uniforms` [prompts, response_length] it depends on its row
    instead.
    """
    prompt_ids = prompt_format.encode_prompts(list(prompts), max_length)
    if uniforms is None:
        uniforms = row_uniforms(len(prompts), response_length, torch.Generator().manual_seed(seed))
    tokens, logprobs, ended, values = [], [], [], []
    for start in range(0, len(prompts), batch_size):
        batch = slice(start, start + batch_size)
        sampled = generate(
            model,
            prompt_ids[batch],
            max_new_tokens=response_length,
            temperature=temperature,
            pad_id=prompt_format.pad_id,
            eos_id=prompt_format.eos_id,
            uniforms=uniforms[batch],
            stop=prompt_format,
            value_head=value_head,
        )
        for ids, row_logprobs, row_values in zip(
            sampled.tokens, sampled.logprobs, sampled.values, strict=True
        ):
            kept, stopped = prompt_format.cut_response(ids)
            kept = kept or ids[:1]  # an answer that consists of a stop string keeps one token
            tokens.append(kept)
            logprobs.append(row_logprobs[: len(kept)])
            values.append(row_values[: len(kept)])
            ended.append(stopped)
    texts = [prompt_format.decode(ids) for ids in tokens]
    return Responses(prompt_ids, tokens, texts, logprobs, ended, values)


def scored_sequences(responses: Responses, eos_id: int) -> list[list[int]]:
    """Prompt + answer in the form that reward models are trained on: an answer that ended has an EOS, even if
    a stop string ended it; an answer that reached the length limit has none."""
    return [
        [*prompt, *answer, *([eos_id] if stopped and answer[-1] != eos_id else [])]
        for prompt, answer, stopped in zip(
            responses.prompt_ids, responses.tokens, responses.ended, strict=True
        )
    ]


@torch.inference_mode()
def sequence_logprobs(
    model,
    prompt_ids: Sequence[Sequence[int]],
    response_ids: Sequence[Sequence[int]],
    temperature: float,
    *,
    batch_size: int = 32,
    forbid_ids: Iterable[int] = (),
) -> list[np.ndarray]:
    """Log-probability (nats) of every answer token under the active adapter: one array [len(answer)] per row.

    One teacher-forced pass computes logits at the answer positions only, in chunks of at most `batch_size`
    rows and MAX_LOGITS logits. `temperature` is that of sampling. `forbid_ids` are ids that sampling never
    produces (the pad); the normalisation leaves them out too. Raises ValueError for a temperature that is not
    positive or an empty prompt or answer.
    """
    if temperature <= 0:
        raise ValueError(f"log-probabilities need a temperature above 0, not {temperature}")
    if any(not len(ids) for ids in (*prompt_ids, *response_ids)):
        raise ValueError("a prompt or an answer has no tokens")
    result: list[np.ndarray] = [np.empty(0)] * len(prompt_ids)
    forbidden = torch.tensor(sorted(set(forbid_ids)), dtype=torch.long, device=model.device)
    # Rows of similar length share a chunk, so that little padding is computed.
    order = sorted(range(len(prompt_ids)), key=lambda row: len(response_ids[row]))
    vocabulary = model.config.vocab_size
    while order:
        rows_that_fit = MAX_LOGITS // (vocabulary * len(response_ids[order[-1]]))
        size = max(1, min(batch_size, rows_that_fit))
        rows, order = order[-size:], order[:-size]
        values = _chunk_logprobs(
            model, [prompt_ids[r] for r in rows], [response_ids[r] for r in rows], temperature, forbidden
        )
        for row, logprobs in zip(rows, values, strict=True):
            result[row] = logprobs[: len(response_ids[row])].numpy()
    return result


def _chunk_logprobs(model, prompts, responses, temperature: float, forbidden: torch.Tensor) -> torch.Tensor:
    """[rows, longest answer] on the CPU. Prompts are padded on the left and answers on the right, so that all
    answers start in the same column."""
    longest_prompt, longest = max(map(len, prompts)), max(map(len, responses))
    ids = torch.zeros(len(prompts), longest_prompt + longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        start, end = longest_prompt - len(prompt), longest_prompt + len(response)
        ids[row, start:end] = torch.tensor([*prompt, *response])
        mask[row, start:end] = 1
    ids, mask = ids.to(model.device), mask.to(model.device)
    positions = (mask.cumsum(dim=-1) - 1).clamp_(min=0)
    columns = torch.arange(longest_prompt - 1, longest_prompt + longest - 1, device=ids.device)
    logits = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        use_cache=False,
        logits_to_keep=columns,
    ).logits  # [rows, longest, V]
    logits = logits.float().div_(temperature)
    logits[..., forbidden] = float("-inf")
    logprobs = torch.log_softmax(logits, dim=-1)
    return logprobs.gather(-1, ids[:, longest_prompt:, None])[..., 0].cpu()


def gold_parts(prompts: Sequence[str], texts: Sequence[str]) -> list[dict[str, float] | None]:
    """The gold reward of each answer with its parts; None for a prompt from outside the tiny world.

    Keys: total, helpful, honest, harmless, well_put, all in [0, 1]. Real data contains a few prompts that
    could be from the tiny world; if most are not, gold would not describe the data, and all are None.
    """
    golds = [world.gold(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
    if 2 * sum(gold is None for gold in golds) > len(golds):
        return [None] * len(golds)
    names = ("total", "helpful", "honest", "harmless", "well_put")
    return [None if gold is None else {name: getattr(gold, name) for name in names} for gold in golds]
