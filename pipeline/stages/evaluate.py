"""The stage `evaluate`: the SFT model and its PPO policies on the same held-out prompts, side by side.

Each policy answers the prompts at its training temperature, with the same random numbers. Each reward model
scores every answer, and so does the gold reward if the prompts are from the tiny world. KL to SFT is computed
from exact log-probabilities. A safety probe counts refusals of harmful prompts. A policy is served as it was
trained: on the bf16 base in controlled mode, on a base of its precision in shared mode.

The stage trains nothing. It writes its table to run.json, one sample per prompt and policy to samples.jsonl,
and a row to each PPO run's experiment record.

    python -m pipeline evaluate --workspace workspace
"""

import gc
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from data import world
from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.workspace import Workspace
from evaluation.alignment import SEED_REFERENCE, kl_summary, seed_targets
from evaluation.safety import HARMFUL_PROMPTS
from models import adapters, loading
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.runs.experiment import write_experiment
from pipeline.runs.reader import read_run
from pipeline.runs.record import Cancelled, Run
from pipeline.runs.record_file import Parents
from pipeline.stages import comparison
from pipeline.stages.comparison import Candidate
from pipeline.training import measure


@dataclass(frozen=True)
class Sampling:
    """How answers are sampled: like the rollouts."""

    temperature: float
    max_length: int
    response_length: int
    batch_size: int
    seed: int


def evaluate(settings, run: Run, workspace: Workspace) -> dict:
    """Results: table (one flat row per policy), targets (per PPO policy), reward_agreement, and facts.

    Raises UserError if a parent's model or the data set is missing, Cancelled if asked to stop.
    """
    parents = run.record.parents
    policies = _policies(workspace, parents)
    rewards = {p: parents.rewards[p] for p in PRECISIONS if p in parents.rewards}
    base = _base(workspace, policies[0].folder)
    prompt_format = PromptFormat(loading.load_tokenizer(base))
    sampling = _sampling(settings, policies, run)
    prompts = measure.held_out_prompts(workspace, parents.dataset, settings.eval_prompts, settings.seed)
    in_world = any(part is not None for part in measure.gold_parts(prompts, [""] * len(prompts)))
    harmful = _harmful_prompts(settings, in_world)
    run.cut_back(0)
    run.set_total(len(policies) + len(rewards))
    step = 0
    for served in PRECISIONS:
        group = [policy for policy in policies if policy.served == served]
        for policy in _answer(group, policies[0], base, prompt_format, sampling, prompts, harmful):
            step += 1
            run.log({"step": step, "policy": policy.name, "response/length": policy.length} | policy.kl)
            _stop_if_asked(run)
    for precision, run_id in rewards.items():
        _score(policies, workspace.run(run_id) / "model", base, precision, prompt_format.eos_id)
        step += 1
        run.log({"step": step} | {f"score/{p.name}": float(p.scores[precision].mean()) for p in policies})
        _stop_if_asked(run)
    for policy in policies:
        policy.gold = measure.gold_parts(prompts, policy.answers.texts)
        _keep_samples(run, step, policy, prompts)
    return _results(policies, rewards, prompts, harmful, sampling, parents, workspace, run)


def _policies(workspace: Workspace, parents: Parents) -> list[Candidate]:
    found = [("sft", parents.sft)]
    found += [(f"ppo-{p}", parents.policies.get(p, "")) for p in PRECISIONS]
    policies = []
    for name, run_id in found:
        if not run_id:
            continue
        record = read_run(workspace, run_id)
        served = record.served_precision if record.stage == "ppo" else "bf16"
        policies.append(Candidate(name, record, workspace.run(run_id) / "model", served))
    if not policies or policies[0].name != "sft":
        raise UserError(
            "evaluate compares with the SFT model, and there is none",
            code=Code.PARENT,
            command="run `sft` first",
        )
    return policies


def _base(workspace: Workspace, folder: Path) -> Path:
    if not (folder / adapters.CARD).is_file():
        raise UserError(
            f"{workspace.relative(folder)} contains no complete model; run its stage again", code=Code.MODEL
        )
    return loading.resolve_base(adapters.read_card(folder).get("base_model", ""))


def _sampling(settings, policies: list[Candidate], run: Run) -> Sampling:
    """The PPO runs' own sampling, because KL and scores refer to the trained distribution; without a PPO run,
    the settings. If runs differ, all are measured like the first, and an event reports it."""
    names = ("temperature", "max_length", "response_length")
    chosen = {name: getattr(settings, name) for name in names}
    used = {p.name: {n: p.run.config[n] for n in names} for p in policies if p.run.stage == "ppo"}
    if used:
        chosen = next(iter(used.values()))
        odd = [name for name, values in used.items() if values != chosen]
        if odd:
            run.event(
                "sampling", f"{', '.join(odd)} trained with another sampling; all are measured at {chosen}"
            )
    return Sampling(**chosen, batch_size=settings.batch_size, seed=settings.seed)


def _harmful_prompts(settings, in_world: bool) -> list[str]:
    if in_world:
        return list(world.safety_prompts(settings.safety_prompts, settings.seed))
    return list(HARMFUL_PROMPTS[: settings.safety_prompts])


def _answer(
    group: list[Candidate], sft: Candidate, base: Path, prompt_format, sampling: Sampling, prompts, harmful
):
    """Fill in answers and KL of the policies that share a base, one by one; yields each when it is done."""
    if not group:
        return
    model = loading.load_causal(base, group[0].served, loading.device())
    loading.check_length(model, sampling.max_length)
    model = adapters.load(model, sft.folder, "sft", base=base)
    answer = partial(
        measure.respond,
        max_length=sampling.max_length - sampling.response_length,
        response_length=sampling.response_length,
        temperature=sampling.temperature,
        seed=sampling.seed,
        batch_size=sampling.batch_size,
    )
    forbidden = [prompt_format.pad_id]
    for policy in group:
        if policy.name != "sft":
            model = adapters.load(model, policy.folder, policy.name, base=base)
        model.set_adapter(policy.name)
        model.eval()
        policy.answers = answers = answer(model, prompts, prompt_format)
        policy.harmful = answer(model, harmful, prompt_format)
        exact = {}
        for name in {policy.name, "sft"}:
            model.set_adapter(name)
            exact[name] = measure.sequence_logprobs(
                model, answers.prompt_ids, answers.tokens, sampling.temperature, forbid_ids=forbidden
            )
        policy.kl = kl_summary(exact[policy.name], exact["sft"])
        yield policy
    del model
    gc.collect()


def _score(policies: list[Candidate], folder: Path, base: Path, precision: str, eos_id: int) -> None:
    reward_model = RewardModel.load(folder, base, precision, loading.device())
    for policy in policies:
        sequences = measure.scored_sequences(policy.answers, eos_id)
        policy.scores[precision] = reward_model.score(sequences).double().numpy()
    del reward_model
    gc.collect()


def _keep_samples(run: Run, step: int, policy: Candidate, prompts: list[str]) -> None:
    for index, prompt in enumerate(prompts):
        run.sample(
            {
                "step": step,
                "policy": policy.name,
                "prompt": prompt,
                "response": policy.answers.texts[index],
                "ended": policy.answers.ended[index],
                "scores": {precision: float(scores[index]) for precision, scores in policy.scores.items()},
                "gold": policy.gold[index],
            }
        )


def _results(policies, rewards, prompts, harmful, sampling, parents, workspace, run) -> dict:
    sft = policies[0]
    table, targets = [], {}
    for policy in policies:
        row = comparison.row(policy, sft)
        table.append(row)
        if policy is not sft:
            targets[policy.name] = seed_targets(row)
            seen = {"run": run.id, "row": row, "targets": targets[policy.name]}
            write_experiment(workspace, policy.run, evaluation=seen)
    return {
        "table": table,
        "targets": targets,
        "reward_agreement": comparison.reward_agreement(policies),
        "seed_reference": [dict(row) for row in SEED_REFERENCE],
        "dataset": parents.dataset,
        "n_prompts": len(prompts),
        "n_safety_prompts": len(harmful),
        "temperature": sampling.temperature,
        "max_length": sampling.max_length,
        "response_length": sampling.response_length,
        "reward_runs": dict(rewards),
    }


def _stop_if_asked(run: Run) -> None:
    if run.should_stop():
        raise Cancelled("evaluation stopped; it keeps no checkpoint and starts again on resume")
