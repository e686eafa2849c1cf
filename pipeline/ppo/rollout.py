"""One rollout of PPO: prompts, sampled responses, scores, rewards and advantages.

The policy samples the responses, and sampling records their log-probabilities and values. Its kernels round
slightly differently from an update's pass, but a ratio should start at exactly 1, so `Rollout.logprobs` have
to come from the update's path. With one minibatch, the first update pass yields them; otherwise, or if
rounding could be mistaken for a signal, an extra pass computes them. With several processes, each samples and
scores its share of the rows, and all get the whole rollout. This module updates no weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from data import world
from evaluation.bag_of_words import BagOfWords
from models.actor import POLICY, REFERENCE, Actor, Rows
from models.fast import heap, one_pass
from models.generation import row_uniforms
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.ppo import core as ppo_core
from pipeline.settings.fields import PpoSettings
from pipeline.training import distributed, measure
from pipeline.training.recovery import Memory

# Sampling's log-probabilities may be off by 0.01 nats, which kl_coef carries into the rewards. If the
# standard deviation of the advantages is below this multiple of kl_coef, rounding may contribute more than a
# hundredth.
CLEAR_OF_ROUNDING = 1.0
STANDARD_PROMPTS = 128  # SFT responses that determine the scale of a reward model's scores


@dataclass(frozen=True)
class Standard:
    """Mean and standard deviation of the raw scores of SFT responses. They make one unit of score mean the
    same for every reward model.
    """

    mean: float
    sd: float


class Scorer:
    """Raw scores of responses: by a reward model, or by the gold reward or a bag of words if PPO trains on
    that."""

    def __init__(self, kind: str, reward_model: RewardModel | None, words: BagOfWords | None = None):
        self.kind, self.reward_model, self.words = kind, reward_model, words

    def score(
        self, prompts: list[str], answers: measure.Responses, eos_id: int, batch_size: int
    ) -> torch.Tensor:
        """[N] fp32 on the CPU."""
        if self.kind == "gold":
            golds = measure.gold_parts(prompts, answers.texts)
            return torch.tensor([0.0 if g is None else g["total"] for g in golds])
        if self.words is not None:
            return torch.tensor([self.words.score(text) for text in answers.texts], dtype=torch.float32)
        if self.reward_model is None:
            raise RuntimeError("no reward model was loaded")
        return self.reward_model.score(measure.scored_sequences(answers, eos_id), batch_size)


@dataclass
class Rollout:
    """N responses and everything that the update needs.

    Tensors are [N, T] or [N], 0 on padding; mask is True on real tokens. sampled_logprobs: as sampling
    recorded them. logprobs: from the updates' path if `exact`, otherwise still those of sampling.
    """

    prompts: list[str]
    answers: measure.Responses
    rows: Rows
    mask: torch.Tensor
    raw_scores: torch.Tensor
    scores: torch.Tensor
    sampled_logprobs: torch.Tensor
    logprobs: torch.Tensor
    exact: bool
    ref_logprobs: torch.Tensor
    values: torch.Tensor
    rewards: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor
    gold: list[float] | None

    def metrics(self, kl_coef: float) -> dict[str, float]:
        """Means over the rollout; KL in nats per sequence (objective/kl) and per token, lengths in tokens."""
        kl = ppo_core.kl_k1(self.logprobs, self.ref_logprobs) * self.mask
        k3 = ppo_core.kl_k3(self.logprobs, self.ref_logprobs) * self.mask
        drift = (self.sampled_logprobs - self.logprobs).abs() * self.mask
        row = {
            "objective/scores": self.raw_scores.mean().item(),
            "objective/scores_standardised": self.scores.mean().item(),
            "objective/kl": kl.sum(dim=1).mean().item(),
            "objective/kl_per_token": (kl.sum() / self.mask.sum()).item(),
            "objective/k3_per_token": (k3.sum() / self.mask.sum()).item(),
            "objective/rlhf_reward": self.rewards.sum(dim=1).mean().item(),
            "objective/kl_coef": kl_coef,
            "response/length": self.mask.sum(dim=1).float().mean().item(),
            "response/ended": sum(self.answers.ended) / len(self.answers.ended),
            "value/mean": ppo_core.masked_mean(self.values, self.mask).item(),
            "rollout/logprob_drift": (drift.sum() / self.mask.sum()).item(),
        }
        if self.gold is not None:
            row["gold/mean"] = sum(self.gold) / len(self.gold)
        return row


class Collector:
    """Draws rollouts. A rollout depends on the weights, the seed and the step, and not on earlier
    rollouts."""

    def __init__(
        self,
        actor: Actor,
        scorer: Scorer,
        prompt_format: PromptFormat,
        settings: PpoSettings,
        prompts: list[str],
        memory: Memory,
    ):
        self.actor, self.scorer, self.prompt_format = actor, scorer, prompt_format
        self.settings, self.prompts, self.memory = settings, prompts, memory
        self.room = max(1, settings.max_length - settings.response_length)
        self.prompt_ids = prompt_format.encode_prompts(prompts[:1], self.room)
        self.standard_: Standard | None = None

    def use_standard(self, standard: Standard) -> None:
        self.standard_ = standard

    def standard(self) -> Standard:
        """The scale of the scores, from SFT responses to training prompts."""
        prompts = [self.prompts[i] for i in self._order(-1)[:STANDARD_PROMPTS]]
        self.actor.use(REFERENCE)
        answers = self._respond(prompts, seed=self.settings.seed)
        self.actor.use(POLICY)
        scores = self._score(prompts, answers)
        sd = scores.std().item() if len(scores) > 1 else 0.0
        # Equal scores differ by rounding only, which must not be scaled up into a reward.
        return Standard(scores.mean().item(), sd if sd > 1e-6 * (1 + scores.abs().max().item()) else 1.0)

    def collect(self, step: int, kl_coef: float) -> Rollout:
        settings, actor, standard = self.settings, self.actor, self.standard_
        if standard is None:
            raise RuntimeError("the scale of the scores is not known yet")
        prompts = self._batch(step)
        # 1. Sample, and cut at the stop. An EOS stays and is learned.
        answers = self._respond(prompts, settings.seed * 1_000_003 + step, actor.value_head)
        rows = Rows(answers.prompt_ids, answers.tokens)
        sampled, values = (_padded(x, actor.device) for x in (answers.logprobs, answers.values))
        # 2. Log-probabilities on the updates' path, and scores.
        exact = settings.num_minibatches > 1
        names = (REFERENCE, POLICY) if exact else (REFERENCE,)
        ((ref_logprobs, _), *own), raw, together = self._passes(names, prompts, rows, answers)
        logprobs, values = own[0] if exact else (sampled, values)
        # 3. Scores in standard deviations of SFT's; a response without an end is penalised (arXiv
        # 2403.17031).
        scores = ppo_core.standardise(raw, standard.mean, standard.sd, settings.score_clip)
        scores = scores - settings.missing_eos_penalty * ~torch.tensor(answers.ended)
        # 4. Rewards and advantages. Signals as small as rounding need the same path for policy and reference.
        mask = rows.mask(actor.device)
        estimated = self._advantages(scores, logprobs, ref_logprobs, values, mask, kl_coef)
        if not exact and not estimated[1][mask].std() >= CLEAR_OF_ROUNDING * kl_coef:
            exact = True
            logprobs, values = self._evaluate(rows, POLICY)
            if together:
                ref_logprobs, _ = self._evaluate(rows, REFERENCE)
            estimated = self._advantages(scores, logprobs, ref_logprobs, values, mask, kl_coef)
        rewards, advantages, returns = estimated
        if settings.whiten_advantages:
            advantages = ppo_core.masked_whiten(advantages, mask)
        return Rollout(
            prompts, answers, rows, mask, raw, scores, sampled, logprobs, exact, ref_logprobs, values,
            rewards, advantages, returns, self._gold(prompts, answers),
        )  # fmt: skip

    def _respond(
        self, prompts: list[str], seed: int, value_head: torch.nn.Module | None = None
    ) -> measure.Responses:
        settings, mine = self.settings, distributed.share(len(prompts))
        # A row's random numbers depend on its place among all rows, not on the process that samples it.
        uniforms = row_uniforms(len(prompts), settings.response_length, torch.Generator().manual_seed(seed))
        answers = measure.respond(
            self.actor.model, prompts[mine], self.prompt_format, max_length=self.room,
            response_length=settings.response_length, temperature=settings.temperature, seed=seed,
            batch_size=self.memory.rows, uniforms=uniforms[mine], value_head=value_head,
        )  # fmt: skip
        return measure.Responses.joined(distributed.gathered(answers))

    def _score(self, prompts: list[str], answers: measure.Responses) -> torch.Tensor:
        mine = distributed.share(len(prompts))
        scores = self.scorer.score(
            prompts[mine], answers.part(mine), self.prompt_format.eos_id, 2 * self.memory.micro
        )
        return torch.cat(distributed.gathered(scores))

    def _passes(
        self, names: tuple[str, ...], prompts: list[str], rows: Rows, answers: measure.Responses
    ) -> tuple[list[tuple[torch.Tensor, ...]], torch.Tensor, bool]:
        """(per adapter log-probabilities and values, each [N, T]; raw scores [N]; whether one pass computed
        all).

        One pass is enough if the reward model is an adapter of the same base.
        """
        reward_model = self.scorer.reward_model
        if not one_pass.possible(self.actor, reward_model):
            if self.actor.device.type == "cpu":
                heap.give_back()  # int8 layers allocate tensors that do not fit into the free gaps
            return [self._evaluate(rows, name) for name in names], self._score(prompts, answers), False
        mine = range(len(rows))[distributed.share(len(rows))]
        sequences = measure.scored_sequences(answers, self.prompt_format.eos_id)
        found, scores = one_pass.log_probabilities_and_scores(
            self.actor, reward_model, names, rows.pick(mine), [sequences[i] for i in mine],
            self.settings.temperature, 2 * self.memory.micro,
        )  # fmt: skip
        return [self._of_all(rows, *pair) for pair in found], torch.cat(distributed.gathered(scores)), True

    def _evaluate(self, rows: Rows, adapter: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities and values of all rows under an adapter, each [N, T]."""
        mine = range(len(rows))[distributed.share(len(rows))]
        micro = 2 * self.memory.micro
        got = self.actor.evaluate_all(rows.pick(mine), adapter, self.settings.temperature, micro)
        return self._of_all(rows, *got)

    def _of_all(self, rows: Rows, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Concatenates the tensors [rows, T] of all processes."""
        if distributed.process_count() == 1:
            return tensors
        length = max(map(len, rows.responses))
        padded = [torch.nn.functional.pad(t, (0, length - t.shape[1])).cpu() for t in tensors]
        return tuple(
            torch.cat(parts).to(self.actor.device)
            for parts in zip(*distributed.gathered(padded), strict=True)
        )

    def _advantages(self, scores, logprobs, ref_logprobs, values, mask, kl_coef: float):
        """(rewards, advantages, returns), each [N, T]; the advantages are not whitened yet."""
        rewards = ppo_core.token_rewards(scores.to(self.actor.device), logprobs, ref_logprobs, mask, kl_coef)
        return rewards, *ppo_core.gae(rewards, values, mask, self.settings.gamma, self.settings.lam)

    def _gold(self, prompts: list[str], answers: measure.Responses) -> list[float] | None:
        golds = [world.gold(p, t) for p, t in zip(prompts, answers.texts, strict=True)]
        known = [gold.total for gold in golds if gold is not None]
        return known if len(known) == len(golds) else None

    def _batch(self, step: int) -> list[str]:
        """The step's prompts. Each pass over the training prompts has a new order."""
        size, n = self.settings.batch_size, len(self.prompts)
        places = range(step * size, (step + 1) * size)
        orders = {epoch: self._order(epoch) for epoch in {k // n for k in places}}
        return [self.prompts[orders[k // n][k % n]] for k in places]

    def _order(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(self.settings.seed * 7919 + epoch + 1)
        return torch.randperm(len(self.prompts), generator=generator).tolist()


def _padded(rows: list[list[float]], device: torch.device) -> torch.Tensor:
    """[N, T], 0 on padding."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(device)
