"""Updates the policy from a rollout: epochs of minibatches, one optimizer step each, summed over
micro-batches.

The learner owns the optimizer and the trained parameters. With several processes, each computes its share of
a minibatch and the gradients are summed, so that all make the same step. It draws no rollouts (`rollout.py`)
and does not decide when to stop, save or roll back (`loop.py`). An update that must not count raises
Unstable.
"""

from __future__ import annotations

import math

import torch

from models.actor import Actor
from pipeline.ppo import core as ppo_core
from pipeline.ppo.rollout import Rollout
from pipeline.settings.fields import PpoSettings
from pipeline.training import distributed
from pipeline.training.recovery import Unstable


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
                got = self._minibatch(rollout, shuffled[start : start + size], clip, micro)
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

    def _minibatch(self, rollout: Rollout, index: list[int], clip: float, micro: int) -> dict[str, float]:
        """One optimizer step on some rows of a rollout, accumulated over micro-batches; returns sums."""
        settings = self.settings
        tokens = int(rollout.mask[index].sum())
        sums = {"policy": 0.0, "value": 0.0, "clipped": 0.0, "approx_kl": 0.0, "entropy": 0.0, "gap": 0.0}
        # The first pass over all rows uses the rollout's weights, so it yields the old log-probabilities.
        fresh = None if rollout.exact else torch.zeros_like(rollout.logprobs)
        for part in rollout.rows.micro_batches(self._share(rollout, index), micro):
            mask = rollout.mask[part]
            now = self.actor.evaluate(rollout.rows, part, settings.temperature)
            old, advantages, values, returns = (
                t[part][mask] for t in (rollout.logprobs, rollout.advantages, rollout.values, rollout.returns)
            )
            if fresh is not None:
                old = now.logprobs.detach()
                fresh[part] = fresh[part].masked_scatter(mask, old)
            sampled = rollout.sampled_logprobs[part][mask]
            sums["gap"] += ppo_core.kl_k3(sampled, now.logprobs.detach()).sum().item()
            real = torch.ones_like(old)
            policy = ppo_core.policy_loss(now.logprobs, old, advantages, real, settings.cliprange)
            value = ppo_core.value_loss(now.values, values, returns, real, settings.vf_cliprange)
            # Divided by the minibatch's tokens, not the micro-batch's, so that the split has no effect.
            ((policy.loss + settings.vf_coef * value) / tokens).backward()
            sums["policy"] += policy.loss.item()
            sums["value"] += value.item()
            sums["clipped"] += policy.clipped.item()
            sums["approx_kl"] += policy.approx_kl.item()
            sums["entropy"] += 0.0 if now.entropy is None else now.entropy.sum().item()
        sums = self._together(sums)
        if fresh is not None:
            distributed.add_up([fresh])
            rollout.logprobs, rollout.exact = fresh, True
        loss = (sums["policy"] + settings.vf_coef * sums["value"]) / tokens
        if not math.isfinite(loss):
            raise Unstable(f"the loss became {loss}")
        self._note_gradients()
        norm = torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), clip).item()
        if not math.isfinite(norm):
            raise Unstable(f"the gradient became {norm}")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return {**sums, "tokens": tokens, "norm": norm, "updates": 1}

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
