"""The trained side of PPO: one base with a policy adapter, a frozen SFT adapter as reference, and a value
head.

It computes log-probabilities, entropies and values at response positions, for either adapter, in
micro-batches, with or without gradient. Sequences are right-padded, so neither mask nor position ids are
needed: no real token attends to padding. Only response positions reach the head. `models.generation` samples,
`models.scoring` scores, and `pipeline.ppo.learner` updates the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from models import adapters
from models.fast import decoding, switch
from models.fast.last_block import LastBlock, backbone
from models.fast.logprobs import TokenLogprobs, plain_logprobs, token_logprobs
from models.fast.peft_import import PeftModel
from models.loading import Head, load_causal

POLICY, REFERENCE, REWARD = "policy", "sft", "reward"


@dataclass(frozen=True)
class Rows:
    """Prompts and responses as token ids, one entry per row; every response has at least one token."""

    prompts: Sequence[Sequence[int]]
    responses: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.prompts)

    def mask(self, device: torch.device | None = None) -> torch.Tensor:
        """response_mask [N, T], True on real tokens; T is the longest response."""
        lengths = torch.tensor([len(r) for r in self.responses], device=device)
        return torch.arange(int(lengths.max()), device=device)[None] < lengths[:, None]

    def pick(self, index: Sequence[int]) -> Rows:
        return Rows([self.prompts[i] for i in index], [self.responses[i] for i in index])

    def micro_batches(self, index: Sequence[int], size: int) -> Iterator[list[int]]:
        """`index` in groups of at most `size` rows of similar length, so that little padding is computed."""
        order = sorted(index, key=lambda i: -(len(self.prompts[i]) + len(self.responses[i])))
        for start in range(0, len(order), size):
            yield order[start : start + size]


@dataclass(frozen=True)
class Evaluated:
    """Flat tensors over the response tokens of some rows, row by row. logprobs and values carry gradients if
    grad mode is on; entropy is None if it was not requested.
    """

    logprobs: torch.Tensor
    values: torch.Tensor
    entropy: torch.Tensor | None


class Actor:
    """The base with its adapters "policy" (trainable) and "sft" (reference), and the value head."""

    def __init__(self, model: PeftModel, base: Path, pad_id: int, eos_id: int):
        self.model, self.base = model.eval(), base  # PEFT creates its wrappers in train mode
        self.pad_id, self.eos_id = pad_id, eos_id
        self.device = model.device
        hidden = model.get_base_model().config.get_text_config().hidden_size
        self.value_head = Head(hidden).to(self.device)
        nn.init.zeros_(self.value_head.weight)
        self.checkpointing = self.compiled = False
        self._backbone = backbone(model)
        self._last_block = LastBlock(self._backbone)
        self.use(POLICY)

    @classmethod
    def load(
        cls, sft_model: Path, base: Path, precision: str, device: torch.device, pad_id: int, eos_id: int
    ) -> Actor:
        """The raw base at a precision; policy and reference both start as copies of the SFT adapter."""
        model = load_causal(base, precision, device)
        decoding.turn(model)
        decoding.keep_head(model)
        model = adapters.load(model, sft_model, POLICY, base=base, trainable=True)
        model = adapters.load(model, sft_model, REFERENCE, base=base)
        return cls(model, base, pad_id, eos_id)

    @property
    def is_quantised(self) -> bool:
        """Whether the base's layers are quantised."""
        return getattr(self.model.get_base_model().config, "quantization_config", None) is not None

    def parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that PPO trains: the policy adapter's tensors and the value head, in fp32."""
        return {
            **adapters.adapter_parameters(self.model, POLICY),
            "value_head.weight": self.value_head.weight,
        }

    def use(self, adapter: str) -> None:
        """Activate an adapter. PEFT changes requires_grad in the process; restore it for the policy alone."""
        self.model.set_adapter(adapter)
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        for parameter in self.parameters().values():
            parameter.requires_grad_(True)

    def checkpoint_activations(self) -> None:
        """Make passes with a gradient recompute the activations inside a block instead of keeping them."""
        self.model.gradient_checkpointing_enable({"use_reentrant": False})
        self.checkpointing = True

    def compile_passes(self) -> None:
        """Use torch.compile for passes over given tokens, whose first runs then take a minute. Sampling,
        whose shapes change in each step, is not compiled.
        """
        self._backbone = torch.compile(self._backbone, dynamic=True)
        self.compiled = True

    def evaluate(
        self, rows: Rows, index: Sequence[int], temperature: float, *, entropy: bool = True
    ) -> Evaluated:
        """One forward pass of the active adapter over the rows named by `index`, as one micro-batch."""
        ids, places, targets = self.layout(rows.pick(index))
        states = self.states(ids, places)
        scored = self.head_logprobs(states, targets, temperature, entropy=entropy)
        return Evaluated(scored.logprobs, self.value_head(states)[:, 0], scored.entropy)

    def layout(self, rows: Rows, length: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(ids [N, L], right-padded to at least `length`; the flat positions in [N · L] whose states predict
        the response tokens; these tokens).
        """
        lengths = [len(p) + len(r) for p, r in zip(rows.prompts, rows.responses, strict=True)]
        ids = torch.full((len(rows), max(length, *lengths)), self.eos_id)
        places, targets = [], []
        for k, (prompt, response) in enumerate(zip(rows.prompts, rows.responses, strict=True)):
            ids[k, : lengths[k]] = torch.tensor([*prompt, *response])
            # The state of the previous token predicts a token; its value is the value before that token.
            first = k * ids.shape[1] + len(prompt) - 1
            places.append(torch.arange(first, first + len(response)))
            targets.append(torch.tensor(response))
        return ids.to(self.device), torch.cat(places).to(self.device), torch.cat(targets).to(self.device)

    def head_logprobs(
        self, states: torch.Tensor, targets: torch.Tensor, temperature: float, *, entropy: bool
    ) -> TokenLogprobs:
        """Log-probabilities of tokens from the states [tokens, d] that predict them."""
        head = self.model.get_base_model().get_output_embeddings()
        score = plain_logprobs if switch.is_plain(self.model) else token_logprobs
        return score(states, head, targets, temperature, [self.pad_id], entropy)

    def states(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """[tokens, d]: the final states at the flat positions `places` in [rows · T]."""
        with (
            self._in_train_mode() if self.checkpointing and torch.is_grad_enabled() else nullcontext(),
            nullcontext() if self.compiled else self._last_block.only(places),
        ):
            states = self._backbone(input_ids=ids, use_cache=False)[0]
        return states.flatten(0, 1)[places]

    @contextmanager
    def _in_train_mode(self) -> Iterator[None]:
        """Switch to train mode, in which alone checkpointing works (dropout is 0, so nothing else changes).
        Sampling must not run in train mode, because the blocks would silently drop the KV cache.
        """
        self.model.train()
        try:
            yield
        finally:
            self.model.eval()

    @torch.no_grad()
    def evaluate_all(
        self, rows: Rows, adapter: str, temperature: float, micro: int
    ) -> tuple[torch.Tensor, ...]:
        """(logprobs, values) of all rows under an adapter, each [N, T], 0 on padding."""
        self.use(adapter)
        mask = rows.mask(self.device)
        results = tuple(torch.zeros(mask.shape, device=self.device) for _ in range(2))
        for index in rows.micro_batches(range(len(rows)), micro):
            got = self.evaluate(rows, index, temperature, entropy=False)
            for result, flat in zip(results, (got.logprobs, got.values), strict=True):
                part = torch.zeros(len(index), mask.shape[1], device=self.device)
                part[mask[index]] = flat
                result[index] = part
        self.use(POLICY)
        return results
