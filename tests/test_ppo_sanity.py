"""The real loop solves tasks with a known answer: a bandit, a frequent token, a constant reward.

The one-token bandit is exact: PPO with a KL penalty in the reward has its optimum at
π*(y|x) ∝ π_ref(y|x) · exp(r(y) / β), where π_ref is the SFT policy at the rollout's temperature.
"""

import pytest
import torch
from little_ppo import kinds, stand, trainer_of
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from data.files import read_jsonl
from models.actor import POLICY, REFERENCE, Rows
from pipeline.ppo.rollout import Standard

WORDS = ["<eos>", "<pad>", "<unk>", "Human:", "Assistant:", *"abcdefgh"]
PROMPTS = ["\n\nHuman: a\n\nAssistant:", "\n\nHuman: b c\n\nAssistant:"]
# Every setting that the answers depend on, so that a change of the presets does not affect these tests.
EXACT = ("reward=gold", "whiten_advantages=false", "missing_eos_penalty=0", "score_clip=0", "target_kl=0",
         "lr_scheduler=linear", "warmup_ratio=0", "num_minibatches=1", "max_length=16", "save_steps=1000",
         "temperature=0.7", "gamma=1", "lam=0.95", "cliprange=0.2", "vf_cliprange=0.2", "vf_coef=0.1",
         "adaptive_kl=false", "max_grad_norm=1", "weight_decay=0", "lora_dropout=0", "seed=42")  # fmt: skip


@pytest.fixture(scope="module")
def word_base(tmp_path_factory):
    """A random GPT-2 with 13 words, which can represent any distribution over so small a vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("words")
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(WORDS), n_positions=32, n_embd=64, n_layer=1, n_head=2, tie_word_embeddings=False,
        bos_token_id=0, eos_token_id=0, pad_token_id=1,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    torch.nn.init.normal_(model.lm_head.weight, std=0.15)
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


class TokenReward:
    """Replaces the reward model by r(token), averaged over the response."""

    reward_model = None

    def __init__(self, rewards):
        self.rewards = torch.as_tensor(rewards)

    def score(self, prompts, answers, eos_id, batch_size):
        return torch.stack([self.rewards[ids].mean() for ids in answers.tokens])


@pytest.fixture
def prepare(workspace, word_base):
    """prepare(rewards, *overrides, precision, fp32) -> a Trainer with the plain reward r(token)."""
    parents = stand(workspace, word_base, prompts=PROMPTS)

    def inner(rewards, *overrides, precision="bf16", fp32=True, standard=Standard(0.0, 1.0)):  # noqa: B008
        trainer = trainer_of(
            workspace, parents, *EXACT, "mode=shared", *overrides, precision=precision, base=word_base
        )
        if fp32:
            trainer.actor.model.float()
        trainer.scorer = trainer.collector.scorer = TokenReward(rewards)
        if standard:
            trainer.collector.standard = lambda: standard
        return trainer

    return inner


def distribution(trainer, adapter, prompt):
    """[V] probabilities of the first response token at the rollout's temperature."""
    ids = trainer.prompt_format.encode_prompt(prompt, trainer.collector.room)
    words = [k for k in range(len(WORDS)) if k != trainer.prompt_format.pad_id]
    rows = Rows([ids] * len(words), [[k] for k in words])
    logprobs = trainer.actor.evaluate_all(rows, adapter, trainer.settings.temperature, 64)[0]
    return torch.zeros(len(WORDS)).index_put_((torch.tensor(words),), logprobs[:, 0].exp().cpu())


def total_variation(p, q):
    return 0.5 * (p - q).abs().sum().item()


def solve_bandit(prepare, beta, steps, **how):
    """Train; returns [(distance to the optimum before, after)], one pair per prompt."""
    rewards = torch.rand(len(WORDS), generator=torch.Generator().manual_seed(5)) * 2 - 1
    trainer = prepare(
        rewards, f"kl_coef={beta}", f"max_steps={steps}", "response_length=1", "batch_size=256",
        "micro_batch_size=256", "learning_rate=0.01", "epochs=2", "vf_coef=1", **how,
    )  # fmt: skip
    trainer.run_to_end()
    assert kinds(trainer.run) == []
    distances = []
    for prompt in PROMPTS:
        before = distribution(trainer, REFERENCE, prompt)
        best = before * (rewards / beta).exp()
        best /= best.sum()
        now = distribution(trainer, POLICY, prompt)
        assert now.sum().item() == pytest.approx(1, abs=1e-4)
        distances.append((total_variation(before, best), total_variation(now, best)))
    return distances


def test_the_bandit_finds_its_exact_optimum(prepare):
    for before, after in solve_bandit(prepare, beta=0.5, steps=60):
        assert before > 0.1 and after < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.3, 1.0, 3.0])
def test_the_bandit_finds_its_exact_optimum_at_every_beta(prepare, beta):
    for before, after in solve_bandit(prepare, beta=beta, steps=200):
        assert before > 0.02 and after < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_the_bandit_on_rounded_bases_reaches_its_optimum_up_to_their_rounding(prepare, beta, precision):
    for _, after in solve_bandit(prepare, beta=beta, steps=200, precision=precision, fp32=False):
        assert after < 2e-2


def solve_many(prepare, beta, steps, **how):
    """Reward the share of "c" in six words; returns (share, KL in nats per token) of the last rollouts.

    Each "c" adds 1/6 to the reward, so the optimum multiplies its odds by exp(1 / (6 β)): by 28 at β = 0.05
    and by 1.4 at β = 0.5.
    """
    rewards = torch.zeros(len(WORDS))
    rewards[WORDS.index("c")] = 1.0
    trainer = prepare(
        rewards, f"kl_coef={beta}", f"max_steps={steps}", "response_length=6", "batch_size=32",
        "micro_batch_size=32", "learning_rate=0.005", "epochs=2", "whiten_advantages=true", **how,
    )  # fmt: skip
    trainer.run_to_end()
    last = read_jsonl(trainer.run.folder / "metrics.jsonl")[-5:]
    return tuple(sum(row[n] for row in last) / 5 for n in ("objective/scores", "objective/kl_per_token"))


def test_the_share_of_a_rewarded_token_saturates_without_a_penalty_and_stays_lower_with_one(prepare):
    free, held = (solve_many(prepare, beta, steps=25) for beta in (0.0, 0.05))
    assert free[0] > 0.9 and 0.25 < held[0] < 0.8
    assert free[1] > 1.5 * held[1]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_the_share_of_a_rewarded_token_in_each_precision(prepare, precision):
    how = {"precision": precision, "fp32": False, "steps": 40}
    free, some, much = (solve_many(prepare, beta, **how) for beta in (0.0, 0.05, 0.5))
    assert free[0] > 0.95 and 0.25 < some[0] < 0.8 and much[0] < 0.15
    assert free[1] > 1.5 * some[1] and some[1] > 1.5 * much[1]


SHORT = ("response_length=6", "batch_size=16", "micro_batch_size=16", "epochs=2", "max_steps=15",
         "whiten_advantages=true", "learning_rate=0.0004", "kl_coef=0.1")  # fmt: skip


def way_gone(prepare, rewards, **how):
    """The final distance of the policy from SFT: the mean k3 (nats per token) of the last rollouts."""
    trainer = prepare(rewards, *SHORT, standard=None, **how)
    trainer.run_to_end()
    last = read_jsonl(trainer.run.folder / "metrics.jsonl")[-5:]
    return sum(row["objective/k3_per_token"] for row in last) / 5


@pytest.mark.parametrize(
    "how",
    [
        dict(),
        pytest.param({"precision": "bf16", "fp32": False}, marks=pytest.mark.slow),
        pytest.param({"precision": "int8", "fp32": False}, marks=pytest.mark.slow),
        {"precision": "int4", "fp32": False},
    ],
    ids=str,
)
def test_a_constant_reward_leaves_the_policy_unchanged(prepare, how):
    """The same loop and settings do follow a reward that is not constant."""
    # the mean of equal values is exact, so that rounding gives no signal
    same = torch.full((len(WORDS),), 0.5)
    target = torch.zeros(len(WORDS))
    target[WORDS.index("c")] = 1.0
    assert way_gone(prepare, same, **how) < 1e-3
    assert way_gone(prepare, target, **how) > 4e-3
