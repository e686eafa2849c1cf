"""Updates the policy from a rollout: epochs of minibatches, one optimizer step each, summed over
micro-batches. On a CPU the two halves of a micro-batch are computed at the same time, each by half of the
threads, if they are large enough.

The learner owns the optimizer and the trained parameters. With several processes, each computes its share of
a minibatch and the gradients are summed, so that all make the same step. It draws no rollouts (`rollout.py`)
and does not decide when to stop, save or roll back (`loop.py`). An update that must not count raises
Unstable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch

from models.actor import Actor, Rows
from models.fast import switch
from models.fast.lanes import Lanes
from pipeline.ppo import core as ppo_core
from pipeline.ppo.rollout import Rollout
from pipeline.settings.fields import PpoSettings
from pipeline.training import distributed
from pipeline.training.recovery import Unstable

TOKENS_PER_LANE = 512  # fewer are slower side by side than one after the other (docs/ppo-speed.md)


@dataclass(frozen=True)
class _MicroBatch:
    """Gradients of the parameters, () if they have been added already; sums over the response tokens; the
    tokens' log-probabilities."""

    gradients: tuple[torch.Tensor | None, ...]
    sums: dict[str, float]
    logprobs: torch.Tensor


class Learner:
    """Optimizer, trained parameters, and the names of those that have had no gradient so far."""

    def __init__(self, actor: Actor, settings: PpoSettings):
        self.actor, self.settings = actor, settings
        self.parameters = actor.parameters()
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), lr=settings.learning_rate, eps=1e-5, weight_decay=settings.weight_decay,
            fused=True,
        )  # fmt: skip
        self.without_gradient = set(self.parameters)

    def update(self, rollout: Rollout, step: int, rate: float, clip: float, micro: int) -> dict[str, float]:
        """Several epochs over the rollout of `step`; returns means over all updates.

        rate: learning rate; clip: gradient norm to clip at; micro: rows per forward and backward pass. Raises
        Unstable if a loss or gradient is not finite.
        """
        with Lanes(_lanes_for(self.actor)) as lanes:
            minibatch = partial(self._minibatch, rollout, clip, micro, lanes)
            return self._epochs(rollout, step, rate, minibatch)

    def _epochs(
        self, rollout: Rollout, step: int, rate: float, minibatch: Callable[[list[int]], dict[str, float]]
    ) -> dict[str, float]:
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        order = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        sums = dict.fromkeys(
            ("policy", "value", "clipped", "approx_kl", "entropy", "gap", "tokens", "norm", "updates"), 0.0
        )
        for epoch in range(settings.epochs):
            shuffled = torch.randperm(len(rollout.rows), generator=order).tolist()
            size = math.ceil(len(shuffled) / settings.num_minibatches)
            epoch_kl = epoch_tokens = 0.0
            for start in range(0, len(shuffled), size):
                got = minibatch(shuffled[start : start + size])
                if step == epoch == start == 0:
                    _check_ratio(got)
                for name, value in got.items():
                    sums[name] += value
                epoch_kl, epoch_tokens = epoch_kl + got["approx_kl"], epoch_tokens + got["tokens"]
            if settings.target_kl and epoch_kl / epoch_tokens > settings.target_kl:
                break
        tokens, updates = max(sums["tokens"], 1), max(sums["updates"], 1)
        return {
            "loss/policy_avg": sums["policy"] / tokens,
            "loss/value_avg": sums["value"] / tokens,
            "policy/clipfrac_avg": sums["clipped"] / tokens,
            "policy/approxkl_avg": sums["approx_kl"] / tokens,
            "policy/entropy_avg": sums["entropy"] / tokens,
            "grad_norm": sums["norm"] / updates,
            "updates": int(sums["updates"]),
        }

    def _minibatch(
        self, rollout: Rollout, clip: float, micro: int, lanes: Lanes, index: list[int]
    ) -> dict[str, float]:
        """One optimizer step on some rows of a rollout, accumulated over micro-batches; returns sums."""
        tokens = int(rollout.mask[index].sum())
        sums = {"policy": 0.0, "value": 0.0, "clipped": 0.0, "approx_kl": 0.0, "entropy": 0.0, "gap": 0.0}
        # The first pass over all rows uses the rollout's weights, so it yields the old log-probabilities.
        fresh = None if rollout.exact else torch.zeros_like(rollout.logprobs)
        for part in rollout.rows.micro_batches(self._share(rollout, index), micro):
            pieces = _halves(rollout.rows, part) if lanes.count > 1 else [part]
            work = partial(self._micro_batch, rollout, tokens, alone=len(pieces) == 1)
            for piece, done in zip(pieces, lanes.compute(work, pieces), strict=True):
                self._add(done.gradients)
                if fresh is not None:
                    fresh[piece] = fresh[piece].masked_scatter(rollout.mask[piece], done.logprobs)
                for name, value in done.sums.items():
                    sums[name] += value
        sums = self._together(sums)
        if fresh is not None:
            distributed.add_up([fresh])
            rollout.logprobs, rollout.exact = fresh, True
        loss = (sums["policy"] + self.settings.vf_coef * sums["value"]) / tokens
        if not math.isfinite(loss):
            raise Unstable(f"the loss became {loss}")
        self._note_gradients()
        norm = torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), clip).item()
        if not math.isfinite(norm):
            raise Unstable(f"the gradient became {norm}")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return {**sums, "tokens": tokens, "norm": norm, "updates": 1}

    def _micro_batch(self, rollout: Rollout, tokens: int, part: list[int], *, alone: bool) -> _MicroBatch:
        """Forward and backward pass over some rows, in any thread. tokens: those of the minibatch. alone: add
        the gradients to the parameters', instead of returning them."""
        settings, mask = self.settings, rollout.mask[part]
        now = self.actor.evaluate(rollout.rows, part, settings.temperature)
        old, advantages, values, returns = (
            t[part][mask] for t in (rollout.logprobs, rollout.advantages, rollout.values, rollout.returns)
        )
        if not rollout.exact:
            old = now.logprobs.detach()
        sampled = rollout.sampled_logprobs[part][mask]
        real = torch.ones_like(old)
        policy = ppo_core.policy_loss(now.logprobs, old, advantages, real, settings.cliprange)
        value = ppo_core.value_loss(now.values, values, returns, real, settings.vf_cliprange)
        # Divided by the minibatch's tokens, not the micro-batch's, so that the split has no effect.
        loss = (policy.loss + settings.vf_coef * value) / tokens
        gradients: tuple[torch.Tensor | None, ...] = ()
        if alone:
            loss.backward()
        else:
            gradients = torch.autograd.grad(loss, list(self.parameters.values()), allow_unused=True)
        sums = {
            "gap": ppo_core.kl_k3(sampled, now.logprobs.detach()).sum().item(),
            "policy": policy.loss.item(),
            "value": value.item(),
            "clipped": policy.clipped.item(),
            "approx_kl": policy.approx_kl.item(),
            "entropy": 0.0 if now.entropy is None else now.entropy.sum().item(),
        }
        return _MicroBatch(gradients, sums, now.logprobs.detach())

    def _add(self, gradients: Iterable[torch.Tensor | None]) -> None:
        """Add the gradients of one micro-batch to the parameters'; in a fixed order, so that runs repeat."""
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=False):
            if gradient is not None:
                # The fused optimizer reads gradients in the order of the weights.
                parameter.grad = (
                    gradient.contiguous() if parameter.grad is None else parameter.grad.add_(gradient)
                )

    def _share(self, rollout: Rollout, index: list[int]) -> list[int]:
        """This process's rows of a minibatch, with lengths like those of the other processes."""
        if distributed.process_count() == 1:
            return index
        lengths = rollout.mask.sum(dim=1).tolist()
        by_length = sorted(index, key=lambda i: -(len(rollout.rows.prompts[i]) + lengths[i]))
        return by_length[distributed.rank() :: distributed.process_count()]

    def _together(self, sums: dict[str, float]) -> dict[str, float]:
        """Sums gradients and statistics over all processes; each gets the same numbers."""
        if distributed.process_count() == 1:
            return sums
        parameters = list(self.parameters.values())
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        distributed.add_up([parameter.grad for parameter in parameters])
        every = distributed.gathered(sums)
        return {name: sum(one[name] for one in every) for name in sums}

    def _note_gradients(self) -> None:
        for name in list(self.without_gradient):
            gradient = self.parameters[name].grad
            if gradient is not None and bool(gradient.any()):
                self.without_gradient.discard(name)

    def state(self) -> dict:
        """The state for a checkpoint. It references the tensors and does not copy them."""
        return {
            "parameters": {name: p.detach() for name, p in self.parameters.items()},
            "optimizer": self.optimizer.state_dict(),
            "without_gradient": sorted(self.without_gradient),
        }

    def restore(self, state: dict) -> None:
        with torch.no_grad():
            for name, saved in state["parameters"].items():
                self.parameters[name].copy_(saved)
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.without_gradient = set(state["without_gradient"])


def _lanes_for(actor: Actor) -> int:
    """How many passes to compute at the same time: 2 on a CPU with several threads.

    Several processes, passes that recompute activations (they switch the model to another mode), compiled
    passes and plain models compute one; so do quantised bases, whose layers keep the state of one pass.
    """
    possible = distributed.process_count() == 1 and not actor.checkpointing and not actor.compiled
    possible = possible and not switch.is_plain(actor.model) and not actor.is_quantised
    return 2 if possible and actor.device.type == "cpu" and torch.get_num_threads() > 1 else 1


def _halves(rows: Rows, part: list[int]) -> list[list[int]]:
    """The halves of a micro-batch whose rows are sorted by length; the whole if a half would be too small."""
    middle = len(part) // 2
    halves = [part[:middle], part[middle:]]
    lengths = [len(rows.prompts[i]) + len(rows.responses[i]) for i in part]
    return halves if min(sum(lengths[:middle]), sum(lengths[middle:])) >= TOKENS_PER_LANE else [part]


def learning_rate(settings: PpoSettings, step: int, total: int) -> float:
    """The learning rate of the step after `step`: a linear warm-up, then the schedule over the whole run."""
    done, warmup = step / total, settings.warmup_ratio
    fall = {"linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done)), "constant": 1.0}
    rising = (step + 1) / max(1, round(warmup * total))
    return settings.learning_rate * min(1.0, fall[settings.lr_scheduler] if done >= warmup else rising)


def _check_ratio(sums: dict[str, float]) -> None:
    """Check that the first update starts at ratio 1: it uses the weights that sampled the rollout, so only
    the rounding of other kernels may differ.
    """
    kl, gap = sums["approx_kl"] / sums["tokens"], sums["gap"] / sums["tokens"]
    if kl > 1e-3 or gap > 1e-2:
        raise RuntimeError(
            f"the first update's ratio is not 1: approximate KL {kl}, to the sampled probabilities {gap}"
        )
