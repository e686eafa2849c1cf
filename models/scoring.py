"""Scores of a reward model: one number per token sequence, computed at its last real token.

The module right-pads, groups by length, runs the blocks without a language-model head, and applies the fp32
head to the state of the last token, which it finds by length and never by comparing ids with pad. PPO
standardises and clips the scores.
"""

from pathlib import Path

import torch
from torch import nn

from models import adapters, loading, rounding
from models.fast.last_block import LastBlock, backbone


class RewardModel:
    """A base with a reward adapter, and its head.

    model: a PeftModel, or a plain model whose adapter is already active.
    adapter: the adapter to activate while scoring; None leaves the model unchanged.
    """

    def __init__(self, model: nn.Module, head: nn.Linear, adapter: str | None = None):
        self.model, self.head, self.adapter = model, head, adapter

    @classmethod
    def load(cls, folder: Path, base: str | Path, precision: str, device: torch.device) -> "RewardModel":
        """A saved reward model on its own base. Raises UserError if folder and base do not belong
        together.

        precision: of the base, whatever it was in training; `rtn2` and `rtn3` round a bf16 base
        (`models.rounding`).
        """
        head = adapters.load_head(folder).to(device)
        bits = rounding.BITS.get(precision)
        model = loading.load_reward_base(base, "bf16" if bits else precision, device)
        if bits:
            rounding.round_blocks(model, bits)
        model = adapters.load(model, folder, "reward", base=base)
        return cls(model.eval(), head)

    @torch.inference_mode()
    def score(self, sequences: list[list[int]], batch_size: int = 32) -> torch.Tensor:
        """Raw scores [N], fp32 on the CPU, of token sequences (prompt + response, EOS included).

        Sequences of similar length share a batch; the result has the order of the input. Raises ValueError
        for an empty sequence.
        """
        if any(not ids for ids in sequences):
            raise ValueError("an empty sequence has no score")
        order = sorted(range(len(sequences)), key=lambda index: -len(sequences[index]))
        scores = torch.empty(len(sequences), dtype=torch.float32)
        was_training, switched = self.model.training, self._switch_on()
        self.model.eval()
        try:
            for start in range(0, len(order), batch_size):
                picked = order[start : start + batch_size]
                scores[picked] = self._batch([sequences[index] for index in picked]).float().cpu()
        finally:
            self.model.train(was_training)
            switched()
        return scores

    def _batch(self, rows: list[list[int]]) -> torch.Tensor:
        device = self.head.weight.device
        lengths = torch.tensor([len(row) for row in rows], device=device)  # (B,)
        width = int(lengths.max())
        # Padding is on the right, where no real token attends to it, so no mask is needed and any id will do.
        # The pad token itself would make the base warn about a missing mask.
        ids = torch.tensor([[*row, *row[-1:] * (width - len(row))] for row in rows], device=device)
        last = torch.arange(len(rows), device=device) * width + lengths - 1  # positions in [B · T]
        inner = backbone(self.model)
        with LastBlock(inner).only(last):
            states = inner(input_ids=ids, use_cache=False)[0]  # [B, T, d]
        return self.head(states.flatten(0, 1)[last]).squeeze(-1)

    def _switch_on(self):
        """Activate the reward adapter; returns a function that restores adapter and requires_grad."""
        if self.adapter is None or self.model.active_adapter == self.adapter:
            return lambda: None
        before = self.model.active_adapter
        flags = {parameter: parameter.requires_grad for parameter in self.model.parameters()}
        self.model.set_adapter(self.adapter)

        def switch_back():
            self.model.set_adapter(before)
            for parameter, flag in flags.items():
                parameter.requires_grad_(flag)

        return switch_back
