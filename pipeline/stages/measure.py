"""The stage `measure` of a study: a policy and its snapshots on the prompts that all its policies answer.

The prompts are of the test split of one data set, so that all replicates share them; `seed` draws them and
the random numbers of the answers, so a study gives all its measurements the same one. Each answer is judged
by gold; the KL from the SFT model of the replicate is computed from exact log-probabilities at the
temperature of the rollout. The stage measures the SFT model itself where `policy=sft`.

Its results are means; gold.json has the gold of every prompt, samples.jsonl some answers to read.

    python -m pipeline measure --set ppo_run=RUN prompts=prompts eval_prompts=2000
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.datasets import read_split
from data.errors import Code, UserError
from data.files import sha256_text, write_json
from data.splits import normalised
from data.workspace import Workspace
from evaluation.alignment import kl_summary
from models import adapters, loading
from models.prompting import PromptFormat
from pipeline.runs import snapshots
from pipeline.runs.reader import read_run
from pipeline.runs.record import Cancelled, Run
from pipeline.settings.fields import MeasureSettings
from pipeline.training import measure as measuring

KEPT = 40  # answers per policy in samples.jsonl


@dataclass(frozen=True)
class Policy:
    """step: of the snapshot; 0 for SFT. folder: of its adapter."""

    step: int
    folder: Path

    @property
    def name(self) -> str:
        """The name of its adapter."""
        return f"step-{self.step}" if self.step else "sft"


def measure(settings: MeasureSettings, run: Run, workspace: Workspace) -> dict:
    """Results: rows (step, kl, kl_se, gold, gold_sd, length, ended per policy), the number of prompts and
    their hash, and the share of them that the training data of the replicate contain.

    Raises UserError if a model is missing or the prompts are not from the tiny world, Cancelled if asked to
    stop.
    """
    parents = run.record.parents
    sft = workspace.run(parents.sft) / "model"
    policies, served = _policies(settings, run, workspace, sft)
    prompts = measuring.held_out_prompts(
        workspace, settings.prompts or parents.dataset, settings.eval_prompts, settings.seed
    )
    base = loading.resolve_base(adapters.read_card(sft).get("base_model", ""))
    prompt_format = PromptFormat(loading.load_tokenizer(base))
    model = loading.load_causal(base, served, loading.device())
    loading.check_length(model, settings.max_length)
    model = adapters.load(model, sft, "sft", base=base).eval()
    run.cut_back(0)
    run.set_total(len(policies))
    rows, golds = [], {}
    for number, policy in enumerate(policies, 1):
        if policy.step:
            model = adapters.load(model, policy.folder, policy.name, base=base)
        row, gold = _measured(policy, model, prompt_format, prompts, settings, run)
        rows.append(row)
        golds[policy.step] = gold
        run.log({**row, "step": number})
        if run.should_stop():
            raise Cancelled("the measurement keeps no checkpoint and starts again on resume")
    write_json(run.folder / "gold.json", {"prompts": prompts, "gold": golds})
    return {
        "rows": rows,
        "n_prompts": len(prompts),
        "prompts_sha256": sha256_text("\n".join(prompts)),
        "prompts_in_training": _seen(prompts, workspace, parents.dataset),
    }


def _policies(
    settings: MeasureSettings, run: Run, workspace: Workspace, sft: Path
) -> tuple[list[Policy], str]:
    """The policies by step, and the precision of their base."""
    if settings.policy == "sft":
        return [Policy(0, sft)], "bf16"
    record = read_run(workspace, run.record.parents.policies[settings.precision])
    folder = workspace.run(record.id)
    last = int(record.results.get("steps") or 0)
    found = {**snapshots.found(folder), last: folder / "model"}
    return [Policy(step, path) for step, path in sorted(found.items())], record.served_precision


def _measured(
    policy: Policy,
    model,
    prompt_format: PromptFormat,
    prompts: list[str],
    settings: MeasureSettings,
    run: Run,
) -> tuple[dict, list[float]]:
    """The row of one policy, whose adapter the model has, and its gold per prompt."""
    model.set_adapter(policy.name)
    model.eval()
    answers = measuring.respond(
        model, prompts, prompt_format,
        max_length=settings.max_length - settings.response_length,
        response_length=settings.response_length, temperature=settings.temperature,
        seed=settings.seed, batch_size=settings.batch_size,
    )  # fmt: skip
    kl = _kl(model, policy.name, answers, settings.temperature, prompt_format.pad_id)
    parts = measuring.gold_parts(prompts, answers.texts)
    gold = [np.nan if part is None else part["total"] for part in parts]
    if not np.isfinite(gold).all():
        raise UserError(
            f"{int(np.isnan(gold).sum())} of {len(prompts)} prompts have no gold reward; a study needs "
            "prompts of the tiny world",
            code=Code.DATASET,
        )
    for prompt, text, value in list(zip(prompts, answers.texts, gold, strict=True))[:KEPT]:
        run.sample({"step": policy.step, "prompt": prompt, "response": text, "gold": value})
    row = {
        "step": policy.step,
        "kl": kl["kl_per_sequence"],
        "kl_se": kl["kl_per_sequence_se"],
        "gold": float(np.mean(gold)),
        "gold_sd": float(np.std(gold)),
        "length": float(np.mean(answers.lengths())),
        "ended": float(np.mean(answers.ended)),
    }
    return row, [round(value, 5) for value in gold]


def _kl(model, name: str, answers: measuring.Responses, temperature: float, pad_id: int) -> dict:
    """KL of the policy from SFT; `evaluation.alignment.kl_summary`."""
    exact = {}
    for adapter in {name, "sft"}:
        model.set_adapter(adapter)
        exact[adapter] = measuring.sequence_logprobs(
            model, answers.prompt_ids, answers.tokens, temperature, forbid_ids=[pad_id]
        )
    return kl_summary(exact[name], exact["sft"])


def _seen(prompts: list[str], workspace: Workspace, dataset: str) -> float:
    """The share of the prompts whose normalised text is a training prompt of the data set."""
    known = {normalised(row["prompt"]) for row in read_split(workspace.dataset(dataset), "train")}
    return sum(normalised(prompt) in known for prompt in prompts) / len(prompts)
