"""Compares this project's PPO arithmetic with that of TRL 1.12.0, in fp32, on the same rollouts and weights.

TRL's own `PPOTrainer.train()` runs one rollout batch of two epochs; given responses replace its generation
and given scores its reward model. Policy and reference are the same two LoRA adapters on the same base on
both sides (TRL's through plain PEFT and transformers, this project's through its lean layers). TRL's value
model is the merged policy with this project's value head, so that the values are the same numbers. Compared
are, as the largest difference over the largest value, rewards and advantages per token, both losses, and the
gradient of every LoRA tensor. The value loss has no weight in the gradient, because here it reaches the
policy's LoRA while TRL has a separate value model. For the same reason it is compared in the first epoch
only: here an update of the policy changes the values.

All responses have their full length. If one ends early, TRL puts the score one position after the last token
and includes a value there in the estimate; here the score belongs to the last token itself.

    python benchmarks/ppo_parity.py --trl-cache DIR [--shape gpt2|llama] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from benchmarks import ppo_cases
from benchmarks.ppo_step import install_trl
from data.workspace import Workspace
from models.actor import POLICY, REFERENCE, Actor, Rows
from models.adapters import adapter_parameters
from models.fast import siblings
from models.loading import load_tokenizer
from pipeline.ppo import core as ppo_core
from pipeline.ppo.learner import Learner
from pipeline.ppo.rollout import Rollout
from pipeline.settings.fields import PpoSettings
from pipeline.training.measure import Responses

CASES = {
    "gpt2": ppo_cases.Case("small", 3, 192, 3, 4096, 8, 24, 20, 8, epochs=2),
    "llama": ppo_cases.Case("small", 3, 192, 6, 4096, 8, 24, 20, 8, epochs=2, key_heads=2, inner=512),
}
TOLERANCE = 1e-4
RATE = 1e-3  # large, so that in the second epoch ratios differ from 1 and some are clipped


def make_actor(folder: Path, tokenizer) -> Actor:
    """A policy that differs somewhat from the reference, and a value head that is not zero, all in fp32."""
    sft = Workspace(folder / "workspace").run("sft") / "model"
    cpu = torch.device("cpu")
    actor = Actor.load(sft, folder / "base", "bf16", cpu, tokenizer.pad_token_id, tokenizer.eos_token_id)
    actor.model.float()
    siblings.join(actor.model)  # the conversion separated the weights that loading had joined
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in actor.parameters().values():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    return actor


def ours(actor: Actor, rows: Rows, scores: torch.Tensor, settings: PpoSettings) -> dict:
    """Rewards, advantages, and loss and gradients of each epoch, computed by the pipeline's code."""
    logprobs, values = actor.evaluate_all(rows, POLICY, settings.temperature, 3)
    ref_logprobs, _ = actor.evaluate_all(rows, REFERENCE, settings.temperature, 3)
    mask = rows.mask()
    rewards = ppo_core.token_rewards(scores, logprobs, ref_logprobs, mask, settings.kl_coef)
    raw, returns = ppo_core.gae(rewards, values, mask, settings.gamma, settings.lam)
    advantages = ppo_core.masked_whiten(raw, mask)
    n = len(rows)
    prompts, responses = ([list(row) for row in side] for side in (rows.prompts, rows.responses))
    answers = Responses(prompts, responses, [""] * n, [[]] * n, [True] * n)
    rollout = Rollout(
        [""] * n, answers, rows, mask, scores, scores, logprobs, logprobs, True, ref_logprobs, values, rewards,
        advantages, returns, None,
    )  # fmt: skip
    learner, gradients = _NotingLearner(actor, settings), []
    step = learner.optimizer.step

    def stepped():
        gradients.append(_gradients(learner.parameters))
        step()

    learner.optimizer.step = stepped
    learner.update(rollout, 0, RATE, clip=1e9, micro=3)
    return {"rewards": rewards, "advantages": advantages, "losses": learner.losses, "gradients": gradients}


class _NotingLearner(Learner):
    """Keeps both losses of each minibatch, per token."""

    def __init__(self, actor: Actor, settings: PpoSettings):
        super().__init__(actor, settings)
        self.losses: list[tuple[float, float]] = []

    def _minibatch(self, *arguments: Any) -> dict[str, float]:
        sums = super()._minibatch(*arguments)
        self.losses.append((sums["policy"] / sums["tokens"], sums["value"] / sums["tokens"]))
        return sums


def theirs(folder: Path, actor: Actor, rows: Rows, scores, settings: PpoSettings, tokenizer) -> dict:
    """The same quantities from TRL's training loop, read from its local variables."""
    from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

    sft, base = Workspace(folder / "workspace").run("sft") / "model", folder / "base"
    policy = _peft_policy(base, sft, actor, tokenizer.pad_token_id)
    merged = _peft_policy(base, sft, actor, tokenizer.pad_token_id).merge_and_unload()
    merged.lm_head.bias = None
    merged.save_pretrained(folder / "merged")
    classifier = AutoModelForSequenceClassification
    value, reward = (
        classifier.from_pretrained(folder / "merged", dtype=torch.float32, num_labels=1) for _ in range(2)
    )
    value.score.weight.data = actor.value_head.weight.detach().clone()
    prompts = torch.tensor(rows.prompts)
    both = torch.cat([prompts, torch.tensor(rows.responses)], dim=1)
    length = prompts.shape[1]
    found: dict = {"losses": [], "gradients": []}
    plain_reward, plain_whiten = ppo_trainer.get_reward, ppo_trainer.masked_whiten

    def given_responses(model, queries, *rest):
        order = [prompts.tolist().index(query) for query in queries.tolist()]
        found["order"] = order
        with torch.no_grad():
            logits = ppo_trainer.forward(model, both[order], tokenizer.pad_token_id).logits
        return both[order], logits[:, length - 1 : -1] / (settings.temperature + 1e-7)

    def given_scores(model, *rest):
        if model is not reward:
            return plain_reward(model, *rest)
        return None, scores[found["order"]].clone(), None

    def noted_whiten(values, mask, *rest):
        whitened = plain_whiten(values, mask, *rest)
        found["rewards"], found["advantages"] = sys._getframe(1).f_locals["rewards"].clone(), whitened
        return whitened

    ppo_trainer.batch_generation = given_responses
    ppo_trainer.get_reward, ppo_trainer.masked_whiten = given_scores, noted_whiten
    trainer = PPOTrainer(
        args=PPOConfig(
            output_dir=str(folder / "trl"), total_episodes=len(rows), per_device_train_batch_size=len(rows),
            gradient_accumulation_steps=1, num_mini_batches=1, num_ppo_epochs=settings.epochs,
            local_rollout_forward_batch_size=len(rows), response_length=both.shape[1] - length,
            temperature=settings.temperature, num_sample_generations=0, learning_rate=RATE,
            lr_scheduler_type="constant", weight_decay=0.0, adam_epsilon=1e-5, kl_coef=settings.kl_coef,
            cliprange=settings.cliprange, cliprange_value=settings.vf_cliprange, vf_coef=0.0,
            gamma=settings.gamma, lam=settings.lam, bf16=False, gradient_checkpointing=False, use_cpu=True,
            report_to="none", save_strategy="no", disable_tqdm=True,
            model_adapter_name=POLICY, ref_adapter_name=REFERENCE,
        ),
        processing_class=tokenizer, model=policy, ref_model=None, reward_model=reward, value_model=value,
        train_dataset=Dataset.from_dict({"input_ids": rows.prompts}),
    )  # fmt: skip
    step = trainer.optimizer.step

    def stepped(*arguments):
        found["gradients"].append(_gradients(adapter_parameters(policy, POLICY)))
        loop = sys._getframe(1).f_locals
        found["losses"].append((loop["pg_loss"].item(), loop["vf_loss"].item()))
        return step(*arguments)

    trainer.optimizer.step = stepped
    trainer.train()
    back = torch.tensor(found["order"]).argsort()  # TRL shuffles the prompts
    return found | {"rewards": found["rewards"][back], "advantages": found["advantages"][back]}


def _peft_policy(base: Path, sft: Path, actor: Actor, pad_id: int) -> PeftModel:
    """The same policy and reference as the actor's, as plain PEFT on plain transformers."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    # This project never samples pad and leaves it out of every softmax; TRL has no such setting.
    bias = torch.zeros(model.lm_head.out_features)
    bias[pad_id] = -1e9
    model.lm_head.bias = torch.nn.Parameter(bias, requires_grad=False)
    model = PeftModel.from_pretrained(model, sft, adapter_name=POLICY, is_trainable=True)
    model.load_adapter(sft, REFERENCE)
    with torch.no_grad():
        for name, parameter in adapter_parameters(model, POLICY).items():
            parameter.copy_(actor.parameters()[name])
    model.set_adapter(POLICY)
    return model


def compare(mine: dict, trl: dict) -> list[dict]:
    """Rows {"what", "epoch", "difference"}: the largest difference divided by TRL's largest value."""
    rows = [
        {"what": what, "epoch": 0, "difference": _apart(mine[what], trl[what])}
        for what in ("rewards", "advantages")
    ]
    for epoch, (a, b) in enumerate(zip(mine["losses"], trl["losses"], strict=True), 1):
        # The first policy loss is a mean of whitened advantages, 0 up to rounding, so it is not divided by itself.
        rows.append(
            {"what": "policy loss", "epoch": epoch, "difference": abs(a[0] - b[0]) / max(abs(b[0]), 1)}
        )
        if epoch == 1:
            rows.append({"what": "value loss", "epoch": epoch, "difference": abs(a[1] - b[1]) / b[1]})
    for epoch, (a, b) in enumerate(zip(mine["gradients"], trl["gradients"], strict=True), 1):
        worst = max(_apart(a[name], b[name]) for name in b)
        rows.append({"what": f"gradient of {len(b)} LoRA tensors", "epoch": epoch, "difference": worst})
    return rows


def _gradients(parameters: dict[str, torch.nn.Parameter]) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in parameters.items() if p.grad is not None}


def _apart(x: torch.Tensor, y: torch.Tensor) -> float:
    return ((x - y).abs().max() / y.abs().max()).item()


def measured(case: ppo_cases.Case, folder: Path) -> list[dict]:
    """The rows of one shape."""
    ppo_cases.make_base(case, folder / "base")
    ppo_cases.make_workspace(case, folder / "workspace", folder / "base", ["bf16"])
    tokenizer = load_tokenizer(folder / "base")
    generator = torch.Generator().manual_seed(3)
    draw = [torch.randint(2, case.vocabulary, (case.batch, n), generator=generator).tolist()
            for n in (case.prompt_length, case.response_length)]  # fmt: skip
    rows, scores = Rows(*draw), torch.randn(case.batch, generator=generator)
    settings, _ = ppo_cases.make_run(
        case, Workspace(folder / "workspace"), folder / "base", "bf16", "controlled", vf_coef=0,
        max_grad_norm=1000, weight_decay=0, learning_rate=RATE,
    )  # fmt: skip
    actor = make_actor(folder, tokenizer)
    trl = theirs(folder, actor, rows, scores, settings, tokenizer)
    return compare(ours(actor, rows, scores, settings), trl)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--trl-cache", type=Path, required=True, help="folder in which TRL is (or will be) installed"
    )
    parser.add_argument("--shape", choices=list(CASES), default="gpt2")
    parser.add_argument("--json", type=Path, help="write {rows} to this file")
    options = parser.parse_args()
    sys.path.insert(0, str(install_trl(options.trl_cache.resolve())))
    with tempfile.TemporaryDirectory() as scratch:
        found = measured(CASES[options.shape], Path(scratch))
    for row in found:
        verdict = "agrees" if row["difference"] <= TOLERANCE else "DIFFERS"
        print(f"{row['what']:32} epoch {row['epoch'] or '-'}  {row['difference']:.1e}  {verdict}")
    if options.json:
        options.json.write_text(json.dumps({"rows": found}, indent=2))
    if any(row["difference"] > TOLERANCE for row in found):
        sys.exit(f"more than {TOLERANCE} apart")


if __name__ == "__main__":
    main()
