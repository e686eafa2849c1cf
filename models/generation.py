"""Sampling from a causal language model, one token per step, with the log-probability of every sampled token.

The module left-pads prompts of different lengths, passes the mask and the position ids (GPT-2 ignores the
mask when it counts positions), keeps a KV cache, drops finished rows from the batch, and never holds more
logits than those of one step. Each row has its own random numbers, drawn before the first step, so a row's
answer does not depend on the other rows of its batch (up to the rounding of matrix products).

Token ids in, token ids out; there are no beams and no repetition penalties.

    answers = generate(model, [[5, 9, 2], [7]], max_new_tokens=32, temperature=0.7, pad_id=0, eos_id=1)
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from models.fast import attention, decoding, gpt2_step, heap, llama_step
from models.fast.last_block import LastBlock, backbone

# A finished row costs work in each step; dropping it costs one copy of the cache.
SHRINK_BELOW = 0.9
BLOCK = 32  # number of positions by which keys and values grow on a CPU
TIDY_STEPS = 64  # steps between returns of freed memory to the system


@dataclass
class Generation:
    """Answers in the order of the prompts; lists of different lengths.

    tokens: sampled ids; an EOS is kept, and so are the tokens of a stop string.
    logprobs: natural logarithm of the probability of each id in the sampled distribution (at the temperature,
        renormalised without the forbidden ids); at temperature 0, in the model's own distribution.
    ended: whether the row ended by itself (EOS or stop string) and not at the length limit.
    values: a value head's output for the state before each token; empty lists without a value head.
    """

    tokens: list[list[int]]
    logprobs: list[list[float]]
    ended: list[bool]
    values: list[list[float]]


@torch.inference_mode()
def generate(
    model,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float,
    pad_id: int,
    eos_id: int,
    generator: torch.Generator | None = None,
    uniforms: torch.Tensor | None = None,
    stop=None,
    top_k: int = 0,
    top_p: float = 1.0,
    on_step: Callable[[list[int], list[int]], bool | None] | None = None,
    on_drop: Callable[[torch.Tensor], None] | None = None,
    forbid_ids: Iterable[int] = (),
    value_head: nn.Module | None = None,
) -> Generation:
    """Sample an answer to each prompt.

    stop: an object with `cut_response(ids) -> (ids, ended)` and, to save calls, `stop_last_ids`, the ids that
    can complete its stop string (without it, `cut_response` is called after every id).
    generator: the source of the rows' random numbers; row i's depend on its place i, not on the other rows.
    uniforms: [rows, max_new_tokens] in [0, 1), instead of a generator: equal rows give equal draws.
    on_step(rows, ids): called after each step with the unfinished prompts and the new id of each; returning
    True ends the generation.
    on_drop(kept): called before the next forward pass with the rows that stay, for models with per-row state.
    value_head: [rows, d] -> [rows, 1], applied to the states that the language-model head reads.

    The pad id and `forbid_ids` are never produced. The model has to be in eval mode. Raises ValueError for an
    empty prompt or a negative temperature.
    """
    if temperature < 0:
        raise ValueError(f"temperature must be 0 or more, not {temperature}")
    if any(len(prompt) == 0 for prompt in prompts):
        raise ValueError("a prompt has no tokens")
    count, device = len(prompts), model.device
    result = Generation([[] for _ in prompts], [[] for _ in prompts], [False] * count, [[] for _ in prompts])
    if count == 0 or max_new_tokens <= 0:
        return result
    if temperature == 0:
        uniforms = None
    elif uniforms is None:
        uniforms = row_uniforms(count, max_new_tokens, generator).to(device)
    else:
        uniforms = uniforms.to(device)
    forbidden = torch.tensor(sorted({pad_id, *forbid_ids} - {eos_id}), device=device)

    with decoding.packed(model), _values(model, value_head) as values:
        batch = _PaddedBatch(model, prompts, max(map(len, prompts)), max_new_tokens, pad_id)
        sampler = _Sampler(temperature, top_k, top_p, forbidden)
        rows = list(range(count))  # the prompt that each row of the batch answers
        for step in range(max_new_tokens):
            ids, logprobs = sampler(batch.next_logits(), None if uniforms is None else uniforms[:, step])
            new_ids, new_logprobs = ids.tolist(), logprobs.tolist()
            new_values = values()
            going, fresh = [], []
            for place, row in enumerate(rows):
                if result.ended[row]:
                    continue
                tokens = result.tokens[row]
                tokens.append(new_ids[place])
                result.logprobs[row].append(new_logprobs[place])
                if new_values is not None:
                    result.values[row].append(new_values[place])
                result.ended[row] = new_ids[place] == eos_id or _stopped(stop, tokens)
                fresh.append(place)
                if not result.ended[row]:
                    going.append(place)
            stopped = on_step is not None and on_step([rows[p] for p in fresh], [new_ids[p] for p in fresh])
            if stopped or not going or step + 1 == max_new_tokens:
                break
            batch.append(ids)
            if device.type == "cpu" and (step + 1) % TIDY_STEPS == 0:
                heap.give_back()
            if len(going) <= SHRINK_BELOW * len(rows):
                kept = torch.tensor(going, device=device)
                batch.keep(kept)
                uniforms = None if uniforms is None else uniforms[kept]
                rows = [rows[place] for place in going]
                if on_drop is not None:
                    on_drop(kept)
    return result


def row_uniforms(count: int, steps: int, generator: torch.Generator | None = None) -> torch.Tensor:
    """[count, steps] numbers in [0, 1). A row's numbers depend on the generator's state, its place and
    `steps`."""
    device = generator.device if generator is not None else "cpu"
    return torch.rand(count, steps, generator=generator, device=device)


class _Sampler:
    """Ids and their log-probabilities, each [rows], from logits [rows, V] of any type.

    All steps share its buffers, because allocating memory of this size costs more than the computation.
    """

    def __init__(self, temperature: float, top_k: int, top_p: float, forbidden: torch.Tensor):
        self.temperature, self.top_k, self.top_p, self.forbidden = temperature, top_k, top_p, forbidden
        self.buffers: list[torch.Tensor] = []

    def __call__(self, logits: torch.Tensor, uniforms: torch.Tensor | None):
        if not self.buffers or len(self.buffers[0]) < len(logits):
            self.buffers = [torch.empty_like(logits, dtype=torch.float32) for _ in range(2)]
        wide, probs = (buffer[: len(logits)] for buffer in self.buffers)
        wide.copy_(logits)
        wide[:, self.forbidden] = float("-inf")
        if self.temperature == 0:
            logprobs = torch.log_softmax(wide, dim=-1)
            ids = logprobs.argmax(dim=-1)
            return ids, logprobs.gather(1, ids[:, None])[:, 0]
        wide.div_(self.temperature)
        if self.top_k > 0:
            worst = wide.topk(min(self.top_k, wide.shape[-1]), dim=-1).values[:, -1:]
            wide.masked_fill_(wide < worst, float("-inf"))
        torch.softmax(wide, dim=-1, out=probs)
        if self.top_p < 1.0:
            _keep_nucleus(probs, self.top_p)
        return _draw(probs, torch.cumsum(probs, dim=-1, out=wide), uniforms)


def _keep_nucleus(probs: torch.Tensor, top_p: float) -> None:
    """Keep, in place, the most likely ids whose probabilities reach top_p, renormalised."""
    ordered, order = probs.sort(dim=-1, descending=True)
    outside = ordered.cumsum(dim=-1) - ordered >= top_p  # the most likely id always stays
    probs.zero_().scatter_(1, order, ordered.masked_fill_(outside, 0.0))
    probs.div_(probs.sum(dim=-1, keepdim=True))


def _draw(probs: torch.Tensor, cumulative: torch.Tensor, uniforms: torch.Tensor):
    """Invert the cumulative distribution: a row's uniform number determines its id."""
    total = cumulative[:, -1:]
    # Strictly below the total, so that the id found has a probability above 0 whatever the rounding.
    threshold = torch.minimum(uniforms[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    ids = torch.searchsorted(cumulative, threshold, right=True)
    return ids[:, 0], probs.gather(1, ids)[:, 0].log()


def _stopped(stop, tokens: list[int]) -> bool:
    if stop is None:
        return False
    last_ids = getattr(stop, "stop_last_ids", None)
    if last_ids is not None and tokens[-1] not in last_ids:
        return False
    return stop.cut_response(tokens)[1]


@contextmanager
def _values(model: nn.Module, value_head: nn.Module | None) -> Iterator[Callable[[], list[float] | None]]:
    """Yields a function that returns, after each forward pass, the values of the states that the head
    read."""
    if value_head is None:
        yield lambda: None
        return
    last: list[torch.Tensor] = []

    def look(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        last[:] = [inputs[0][:, -1]]

    hook = model.get_output_embeddings().register_forward_pre_hook(look)
    try:
        yield lambda: value_head(last[0])[:, 0].tolist()
    finally:
        hook.remove()


class _PaddedBatch:
    """The tensors of a running batch: next input ids, mask, positions and cache."""

    def __init__(self, model, prompts, longest: int, room: int, pad_id: int):
        device = model.device
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        padded = [[pad_id] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
        self.model = model
        self.ids = torch.tensor(padded, device=device)  # [rows, longest], then [rows, 1]
        padding = (longest - lengths)[:, None]
        mask = torch.arange(longest + room + BLOCK, device=device)[None, :] >= padding
        # Without padding no mask is needed, and attention is faster.
        self.mask = None if bool((lengths == longest).all()) else mask  # [rows, longest + room + BLOCK]
        self.positions = (torch.arange(longest, device=device)[None, :] - padding).clamp_(min=0)
        self.prompt_length = self.length = longest
        kind = getattr(model.config, "_attn_implementation", None)
        # A product with a part of a buffer copies that part in each step, so keys come in whole blocks.
        self.block = BLOCK if kind == attention.NAME and device.type == "cpu" else 1
        self.cache = _cache(model.config, longest + room, self.block)
        # With a prepared 4-D mask the model does not build the same mask in every step.
        self.ready_mask = kind in ("sdpa", attention.NAME)
        self.short_cut = gpt2_step.of(model) or llama_step.of(model)
        self.last_block = LastBlock(backbone(model))

    def next_logits(self) -> torch.Tensor:
        """[rows, V] for the next position, in the model's type."""
        mask = None if self.mask is None else self.mask[:, : self.length]
        if self.ready_mask and self.length > self.prompt_length:
            mask = self._ready_mask()
            if self.short_cut is not None:
                return self.short_cut(self.ids, self.positions, mask, self.cache)
        rows, length = self.ids.shape
        last = torch.arange(1, rows + 1, device=self.ids.device) * length - 1  # of [rows · length]
        with self.last_block.only(last) if length > 1 else nullcontext():
            output = self.model(
                input_ids=self.ids,
                attention_mask=mask,
                position_ids=self.positions,
                past_key_values=self.cache,
                use_cache=True,
                # The last position as a tensor. With a number the model would slice, and multiply the slice,
                # which is not contiguous, by a copy of the whole LM head per row.
                logits_to_keep=torch.tensor([length - 1], device=self.ids.device),
            )
        return output.logits[:, -1]

    def _ready_mask(self) -> torch.Tensor | None:
        """[rows or 1, 1, 1, keys], True on keys that a token may attend to; None if it may attend to all."""
        keys = _whole_blocks(self.length, self.block)
        mask = None if self.mask is None else self.mask[:, None, None, :keys]
        if keys == self.length:
            return mask
        there = torch.arange(keys, device=self.ids.device) < self.length
        return there[None, None, None] if mask is None else mask & there

    def append(self, ids: torch.Tensor) -> None:
        self.ids = ids[:, None]
        self.positions = self.positions[:, -1:] + 1
        self.length += 1

    def keep(self, rows: torch.Tensor) -> None:
        self.ids, self.positions = self.ids[rows], self.positions[rows]
        self.mask = None if self.mask is None else self.mask[rows]
        self.cache.batch_select_indices(rows)


def _cache(config, capacity: int, block: int) -> Cache:
    """A cache of preallocated buffers; the library's own cache for models with sliding-window layers."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(config, "sliding_window", None):
        return DynamicCache(config=config)
    return Cache(layer_class_to_replicate=lambda: _BufferedLayer(capacity, block))


def _whole_blocks(length: int, block: int) -> int:
    return -(-length // block) * block


class _BufferedLayer(DynamicLayer):
    """Keys and values [rows, heads, length, head size] in buffers.

    The library's layer concatenates in every step, which copies the whole cache per token. With block 1 the
    buffers have room for `capacity` positions from the start, and `update` returns views of the filled part.
    Otherwise they grow by blocks and are returned whole, with zeros after the filled part, which a mask
    hides.
    """

    def __init__(self, capacity: int, block: int):
        super().__init__()
        self.capacity, self.block, self.used = capacity, block, 0
        self.buffers: tuple[torch.Tensor, ...] = ()  # keys and values, [rows, heads, room, head size] each

    def update(self, key_states, value_states, *args, **kwargs):
        if not self.buffers:
            self.lazy_initialization(key_states, value_states)
            self._allocate(key_states, value_states, len(key_states), key_states.shape[-2])
        start, self.used = self.used, self.used + key_states.shape[-2]
        if self.used > self.buffers[0].shape[2]:
            self._move(lambda filled: filled)
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, start : self.used] = states
        self._view()
        # The prompt attends only to itself, so it is not read back from the buffers.
        return (key_states, value_states) if start == 0 else (self.keys, self.values)

    def get_seq_length(self, *args) -> int:
        return self.used

    def batch_select_indices(self, indices):
        if self.buffers:
            self._move(lambda filled: filled[indices], rows=len(indices))
            self._view()

    def _move(self, pick, rows: int | None = None) -> None:
        """Copy into new buffers with room for the positions in use."""
        old, filled = self.buffers, min(self.used, self.buffers[0].shape[2])
        self._allocate(old[0], old[1], rows or len(old[0]), self.used)
        for new, buffer in zip(self.buffers, old, strict=True):
            new[:, :, :filled] = pick(buffer[:, :, :filled])

    def _allocate(self, keys, values, rows: int, length: int) -> None:
        """Allocate buffers for `rows` rows, otherwise shaped like keys and values."""
        heads, size = keys.shape[1], keys.shape[3]
        room = self.capacity if self.block == 1 else _whole_blocks(length, self.block)
        make = values.new_empty if self.block == 1 else values.new_zeros
        self.buffers = (make(rows, heads, room, size), make(rows, heads, room, values.shape[3]))

    def _view(self) -> None:
        length = self.used if self.block == 1 else self.buffers[0].shape[2]
        self.keys, self.values = (buffer[:, :, :length] for buffer in self.buffers)
