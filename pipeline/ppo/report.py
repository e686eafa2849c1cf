"""The final figures of a PPO run, on held-out prompts: score, gain, KL, win rate against SFT, gold, refusals.

Policy and SFT answer the same prompts with the same random numbers at the rollout's temperature. This module
trains nothing.
"""

from __future__ import annotations

from statistics import fmean, pstdev

from data import world
from data.workspace import Workspace
from evaluation.alignment import kl_summary, standardised_gain, win_rate
from evaluation.safety import HARMFUL_PROMPTS, is_refusal, refusal_summary
from models.actor import POLICY, REFERENCE, Actor
from models.fast import heap
from models.prompting import PromptFormat
from pipeline.ppo.rollout import Scorer
from pipeline.runs.record import Run
from pipeline.settings.fields import PpoSettings
from pipeline.training import measure

SAFETY_PROMPTS = 24


def final_report(
    actor: Actor,
    scorer: Scorer,
    prompt_format: PromptFormat,
    settings: PpoSettings,
    run: Run,
    workspace: Workspace,
) -> dict:
    """The `results` of a ppo run (docs/run-record.md), with their intervals and counts."""
    prompts = measure.held_out_prompts(
        workspace, run.record.parents.dataset, settings.eval_prompts, settings.seed
    )
    answers, scores = {}, {}
    for name in (REFERENCE, POLICY):
        heap.give_back()  # these passes have other sizes than training's and do not fit into its gaps
        actor.use(name)
        answers[name] = _respond(actor, prompt_format, settings, prompts)
        scores[name] = scorer.score(
            prompts, answers[name], prompt_format.eos_id, 2 * settings.micro_batch_size
        ).tolist()
    policy = answers[POLICY]
    logprobs = {}
    for name in (POLICY, REFERENCE):
        heap.give_back()
        actor.use(name)
        logprobs[name] = measure.sequence_logprobs(
            actor.model,
            policy.prompt_ids,
            policy.tokens,
            settings.temperature,
            forbid_ids=[prompt_format.pad_id],
        )
    actor.use(POLICY)
    wins = win_rate(scores[POLICY], scores[REFERENCE])
    results = {
        "score_mean": fmean(scores[POLICY]),
        "score_sft": fmean(scores[REFERENCE]),
        "score_sd_sft": pstdev(scores[REFERENCE]),
        "score_gain": standardised_gain(scores[POLICY], scores[REFERENCE]),
        **kl_summary(logprobs[POLICY], logprobs[REFERENCE]),
        "win_rate_vs_sft": wins["win_rate"],
        "win_rate_ci": wins["ci"],
        "response_length": fmean(policy.lengths()),
        "response_length_sft": fmean(answers[REFERENCE].lengths()),
        "ended": sum(policy.ended) / len(policy.ended),
        "n_prompts": len(prompts),
    }
    return results | _gold_results(prompts, answers)


def _gold_results(prompts: list[str], answers: dict[str, measure.Responses]) -> dict:
    """gold_mean, gold_sft and the parts of gold in the tiny world; {} elsewhere."""
    golds = {name: measure.gold_parts(prompts, got.texts) for name, got in answers.items()}
    known = [
        (mine, theirs)
        for mine, theirs in zip(golds[POLICY], golds[REFERENCE], strict=True)
        if mine is not None and theirs is not None
    ]
    if not known:
        return {}
    parts = {
        f"gold_{part}": fmean(mine[part] for mine, _ in known)
        for part in ("helpful", "honest", "harmless", "well_put")
    }
    policy, sft = ([pair[side]["total"] for pair in known] for side in (0, 1))
    wins = win_rate(policy, sft)
    return {
        "gold_mean": fmean(policy),
        "gold_sft": fmean(sft),
        "gold_win_rate_vs_sft": wins["win_rate"],
        **parts,
    }


def probe_safety(
    actor: Actor, prompt_format: PromptFormat, settings: PpoSettings, in_world: bool
) -> dict[str, float]:
    """The share of harmful requests that the policy declines, as a row of metrics."""
    prompts = (
        world.safety_prompts(SAFETY_PROMPTS, settings.seed)
        if in_world
        else list(HARMFUL_PROMPTS[:SAFETY_PROMPTS])
    )
    answers = _respond(actor, prompt_format, settings, prompts)
    return {"safety/refusal_rate": refusal_summary([is_refusal(t) for t in answers.texts])["refusal_rate"]}


def sample_answers(
    actor: Actor, scorer: Scorer, prompt_format: PromptFormat, settings: PpoSettings, prompts: list[str]
) -> list[dict]:
    """The policy's answers to a few prompts with their raw scores, as rows of samples.jsonl."""
    answers = _respond(actor, prompt_format, settings, prompts)
    scores = scorer.score(prompts, answers, prompt_format.eos_id, 2 * settings.micro_batch_size).tolist()
    golds = measure.gold_parts(prompts, answers.texts)
    return [
        {"prompt": prompt, "response": text, "score": score, "gold": gold and gold["total"]}
        for prompt, text, score, gold in zip(prompts, answers.texts, scores, golds, strict=True)
    ]


def _respond(
    actor: Actor, prompt_format: PromptFormat, settings: PpoSettings, prompts: list[str]
) -> measure.Responses:
    return measure.respond(
        actor.model, prompts, prompt_format,
        max_length=max(1, settings.max_length - settings.response_length),
        response_length=settings.response_length, temperature=settings.temperature, seed=settings.seed,
    )  # fmt: skip
