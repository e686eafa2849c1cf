"""The stage `evaluate`: the SFT model and its PPO policies on the same held-out prompts, side by side.

Each policy answers the prompts at its training temperature, with the same random numbers. Each reward model
scores every answer; so does the judge where there is one, and the gold reward if the prompts are from the
tiny world. With a judge, PPO's snapshots answer too, which shows the step at which the policy was best. KL to
SFT is computed from exact log-probabilities. A safety probe counts refusals of harmful prompts. A policy is
served as it was trained: on the bf16 base in controlled mode, on a base of its precision in shared mode.

The stage trains nothing. It writes its table to run.json, one sample per prompt and policy to samples.jsonl,
a row to each PPO run's experiment record, and the report card of each reward model to that model's run.

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
from evaluation.alignment import kl_summary
from evaluation.answers import best_step
from evaluation.safety import HARMFUL_PROMPTS
from evaluation.targets import SEED_REFERENCE, seed_targets
from models import adapters, loading
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.runs import phases
from pipeline.runs.experiment import write_experiment
from pipeline.runs.reader import read_run
from pipeline.runs.record import Cancelled, Run
from pipeline.runs.record_file import Parents, RunRecord
from pipeline.stages import by_step, comparison, reward_card
from pipeline.stages.comparison import JUDGE, Candidate
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
    """Results: table (one flat row per policy), targets, by_step and best_step (per PPO policy),
    reward_agreement, and facts.

    Raises UserError if a parent's model or the data set is missing, Cancelled if asked to stop.
    """
    parents = run.record.parents
    policies = _policies(workspace, parents)
    scorers = _scorers(workspace, parents)
    if JUDGE in scorers:
        for policy in policies[1:]:
            policy.by_step = by_step.candidates(policy, workspace.run(policy.run.id))
    base = _base(workspace, policies[0].folder)
    prompt_format = PromptFormat(loading.load_tokenizer(base))
    sampling = _sampling(settings, policies, run)
    prompts = measure.held_out_prompts(workspace, parents.dataset, settings.eval_prompts, settings.seed)
    in_world = any(part is not None for part in measure.gold_parts(prompts, [""] * len(prompts)))
    harmful = _harmful_prompts(settings, in_world)
    run.cut_back(0)
    run.set_total(sum(1 + len(policy.by_step) for policy in policies) + len(scorers))
    step = 0
    for served in PRECISIONS:
        group = [policy for policy in policies if policy.served == served]
        for policy in _answer(group, policies[0], base, prompt_format, sampling, prompts, harmful):
            step += 1
            run.log({"step": step, "policy": policy.name, "response/length": policy.length} | policy.kl)
            _stop_if_asked(run)
    for name, scorer in scorers.items():
        _score(policies, name, workspace.run(scorer.id) / "model", base, scorer.precision, prompt_format)
        step += 1
        run.log({"step": step} | {f"score/{p.name}": float(p.scores[name].mean()) for p in policies})
        _stop_if_asked(run)
    _write_cards(settings, run, workspace, scorers)
    for policy in policies:
        policy.gold = measure.gold_parts(prompts, policy.answers.texts)
        _keep_samples(run, step, policy, prompts)
    return _results(policies, scorers, prompts, harmful, sampling, parents, workspace, run)


def _write_cards(settings, run: Run, workspace: Workspace, scorers: dict[str, RunRecord]) -> None:
    """Write the report cards of the reward models to their own folders."""
    rewards = [scorer.id for name, scorer in scorers.items() if name != JUDGE]
    if rewards and settings.card_prompts:
        run.phase(phases.EVALUATING, settings.card_prompts)
        reward_card.write_cards(workspace, rewards, settings.card_prompts, settings.seed)
        _stop_if_asked(run)


def _scorers(workspace: Workspace, parents: Parents) -> dict[str, RunRecord]:
    """The runs of the reward models by precision, and of the judge where there is one."""
    found = {p: parents.rewards[p] for p in PRECISIONS if p in parents.rewards}
    found |= {JUDGE: parents.judge} if parents.judge else {}
    return {name: read_run(workspace, run_id) for name, run_id in found.items()}


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
    """Fill in answers and KL of the policies that share a base, and of their snapshots, one by one; yields
    each when it is done."""
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
    for each in group:
        for policy in (each, *each.by_step.values()):
            if policy.name != "sft":
                model = adapters.load(model, policy.folder, policy.name, base=base)
            model.set_adapter(policy.name)
            model.eval()
            policy.answers = answers = answer(model, prompts, prompt_format)
            if policy is each:
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


def _score(
    policies: list[Candidate],
    name: str,
    folder: Path,
    base: Path,
    precision: str,
    prompt_format: PromptFormat,
) -> None:
    """Score the answers of all policies; those of snapshots by the judge and their own reward model only."""
    reward_model = RewardModel.load(folder, base, precision, loading.device())
    for policy in policies:
        snapshots = policy.by_step.values() if name in (JUDGE, policy.run.precision) else ()
        for one in (policy, *snapshots):
            sequences = measure.scored_sequences(one.answers, prompt_format.eos_id)
            one.scores[name] = reward_model.score(sequences).double().numpy()
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


def _results(policies, scorers, prompts, harmful, sampling, parents, workspace, run) -> dict:
    sft = policies[0]
    table, targets, curves = [], {}, {}
    for policy in policies:
        row = comparison.row(policy, sft)
        table.append(row)
        if policy is not sft:
            targets[policy.name] = seed_targets(row)
            if JUDGE in scorers:
                curves[policy.name] = by_step.curve(policy, sft, sampling.seed)
            seen = {"run": run.id, "row": row, "targets": targets[policy.name]}
            write_experiment(workspace, policy.run, evaluation=seen)
    return {
        "table": table,
        "targets": targets,
        "by_step": curves,
        "best_step": {name: best_step(points) for name, points in curves.items()},
        "judge": _judge_facts(scorers.get(JUDGE)),
        "reward_agreement": comparison.reward_agreement(policies),
        "seed_reference": [dict(row) for row in SEED_REFERENCE],
        "dataset": parents.dataset,
        "n_prompts": len(prompts),
        "n_safety_prompts": len(harmful),
        "temperature": sampling.temperature,
        "max_length": sampling.max_length,
        "response_length": sampling.response_length,
        "reward_runs": {name: scorer.id for name, scorer in scorers.items() if name != JUDGE},
    }


def _judge_facts(judge: RunRecord | None) -> dict | None:
    """Which judge it was, and how well it tells the better of two test answers."""
    if judge is None:
        return None
    names = ("accuracy", "accuracy_ci", "auc", "n_pairs")
    return {"run": judge.id} | {name: judge.results.get(name) for name in names}


def _stop_if_asked(run: Run) -> None:
    if run.should_stop():
        raise Cancelled("evaluation stopped; it keeps no checkpoint and starts again on resume")
