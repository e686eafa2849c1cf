"""EDGERLHF_PLAIN=1 turns models/fast/ off, and the results stay the same up to rounding."""

import re
from pathlib import Path

import pytest
import torch

from models import adapters
from models.actor import POLICY, Actor, Rows
from models.fast import lora, one_pass, switch
from models.fast.last_block import LastBlock, backbone
from models.generation import generate
from models.loading import load_reward_base
from models.scoring import RewardModel
from pipeline.ppo.learner import Learner
from pipeline.ppo.rollout import Rollout
from pipeline.settings.layers import build
from pipeline.training.measure import Responses
from tests.little_policies import save_policies

CPU = torch.device("cpu")
ROWS = Rows([[5, 9, 2], [7, 8, 9, 10, 11]], [[21, 22, 23, 24], [31, 32]])
# Relative to the norm of the plain values: bf16 has 8 significant bits, and rounding adds up over the layers.
TOLERANCE = {"bf16": 0.06, "int8": 0.06, "int4": 0.06}


@pytest.fixture(params=["gpt2", "llama"], scope="module")
def base(request, random_base, random_llama_base):
    return {"gpt2": random_base, "llama": random_llama_base}[request.param]


@pytest.fixture(scope="module")
def folder(base, tmp_path_factory):
    return save_policies(base, tmp_path_factory.mktemp("adapters"), ("sft",))["sft"]


def everything(base, folder, precision) -> tuple[Actor, dict[str, torch.Tensor]]:
    """An actor and its results: log-probabilities, scores, and the gradients and effect of an update."""
    actor = Actor.load(folder, base, precision, CPU, 1, 0)
    generator = torch.Generator().manual_seed(3)
    answers = generate(
        actor.model,
        ROWS.prompts,
        max_new_tokens=6,
        temperature=0,
        pad_id=1,
        eos_id=0,
        forbid_ids=range(2, 40),
    )
    classifier = load_reward_base(base, precision, CPU)
    classifier = adapters.attach(classifier, adapters.lora_config(classifier, 4, 8), "reward")
    for parameter in adapters.adapter_parameters(classifier, "reward").values():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    reward_model = RewardModel(classifier.eval(), classifier.get_base_model().score)
    logprobs, _ = actor.evaluate_all(ROWS, POLICY, 0.7, 2)
    now = actor.evaluate(ROWS, range(2), 0.7)
    (now.logprobs.sum() + now.values.sum()).backward()
    gradient = torch.cat([p.grad.flatten() for p in actor.parameters().values()])
    one_step(actor, logprobs)
    after, _ = actor.evaluate_all(ROWS, POLICY, 0.7, 2)
    assert (after - logprobs).norm() > 0.02 * logprobs.norm(), "the step has no visible effect"
    return actor, {
        "first tokens": torch.tensor([row[0] for row in answers.logprobs]),
        "scores": reward_model.score([[5, 9, 2, 21], [7, 8, 9, 10, 11, 31, 0]]),
        "logprobs": logprobs,
        "entropy": now.entropy,
        "gradient": gradient,
        "logprobs after a step": after,
    }


def one_step(actor: Actor, logprobs: torch.Tensor) -> None:
    """One optimizer step of PPO on the rows, with advantages that raise one response and lower the other."""
    settings = build(
        "ppo", "tiny", overrides=["batch_size=2", "num_minibatches=1", "epochs=1", "target_kl=0"]
    )
    mask, zeros, n = ROWS.mask(), torch.zeros_like(logprobs), len(ROWS)
    advantages = torch.tensor([[1.0], [-1.0]]) * mask
    answers = Responses(ROWS.prompts, ROWS.responses, [""] * n, [[]] * n, [True] * n)
    rollout = Rollout(
        [""] * n, answers, ROWS, mask, torch.zeros(n), torch.zeros(n), logprobs, logprobs, True, logprobs,
        zeros, zeros, advantages, advantages, None,
    )  # fmt: skip
    actor.model.zero_grad()
    actor.value_head.zero_grad()
    metrics = Learner(actor, settings).update(rollout, 0, rate=1e-2, clip=1.0, micro=2)
    assert metrics["updates"] == 1


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_generation_scores_and_an_update_are_the_same_with_the_switch_on_and_off(
    base, folder, precision, monkeypatch
):
    monkeypatch.delenv(switch.VARIABLE, raising=False)
    actor, quick = everything(base, folder, precision)
    assert not switch.is_plain(actor.model)
    monkeypatch.setenv(switch.VARIABLE, "1")
    actor, plain = everything(base, folder, precision)
    assert switch.is_plain(actor.model)
    for what, values in plain.items():
        assert values.abs().max() > 0
        apart = (quick[what] - values).norm() / values.norm()
        assert apart < TOLERANCE[precision], f"{what}: {apart:.3f}"


def test_a_plain_model_has_no_replaced_module(base, folder, monkeypatch):
    monkeypatch.setenv(switch.VARIABLE, "1")
    actor = Actor.load(folder, base, "bf16", CPU, 1, 0)
    assert not [name for name, m in actor.model.named_modules() if "forward" in m.__dict__]
    assert not [name for name, m in actor.model.named_modules() if type(m).__module__.startswith("models.")]
    assert actor.model.config._attn_implementation == "sdpa"
    assert LastBlock(backbone(actor.model)).modules == ()
    reward_model = RewardModel(actor.model, actor.value_head, "sft")
    assert lora.can_split(actor.model, ("policy", "sft")) and not one_pass.possible(actor, reward_model)


def test_private_operators_of_torch_are_used_in_one_file():
    private = re.compile(r"\btorch\.(ops\b|_[a-z])|\btorch\.[a-z.]+\._[a-z]")
    folder = Path(switch.__file__).parents[1]
    naming = {path.name for path in folder.rglob("*.py") if private.search(path.read_text(encoding="utf-8"))}
    assert naming == {"operators.py"}
