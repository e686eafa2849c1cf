"""Policy, reference and reward model in one pass through their base give the results of separate passes."""

import pytest
import torch
from little_policies import save_policies

from models import adapters
from models.actor import POLICY, REFERENCE, REWARD, Actor, Rows
from models.fast import one_pass
from models.loading import Head, load_tokenizer
from models.scoring import RewardModel

CPU = torch.device("cpu")
ROWS = Rows(
    prompts=[[5, 9, 2, 40], [7], [30, 31, 32, 33, 34, 35, 36], [100, 101], [8, 9]],
    responses=[[11, 12, 0], [50, 51, 52, 53, 54], [60], [70, 71, 72, 0], [44]],
)
SEQUENCES = [[*p, *r, 0] for p, r in zip(ROWS.prompts, ROWS.responses, strict=True)]


@pytest.fixture(params=["gpt2", "llama"], scope="module")
def base(request, random_base, random_llama_base):
    return {"gpt2": random_base, "llama": random_llama_base}[request.param]


@pytest.fixture(scope="module")
def saved(base, tmp_path_factory):
    return save_policies(base, tmp_path_factory.mktemp("saved"), ("sft", "reward"))


def load(base, saved, precision):
    tokenizer = load_tokenizer(base)
    actor = Actor.load(saved["sft"], base, precision, CPU, tokenizer.pad_token_id, tokenizer.eos_token_id)
    adapters.load(actor.model, saved["reward"], REWARD, base=base)
    head = Head(actor.value_head.in_features)
    torch.nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(2))
    actor.use(POLICY)
    return actor, RewardModel(actor.model, head, adapter=REWARD)


def pass_by_pass(actor, reward_model, rows, sequences, names=(REFERENCE, POLICY)):
    return [actor.evaluate_all(rows, name, 0.7, 2) for name in names], reward_model.score(sequences, 2)


def at_once(actor, reward_model, rows, sequences, size, names=(REFERENCE, POLICY)):
    return one_pass.log_probabilities_and_scores(actor, reward_model, names, rows, sequences, 0.7, size)


def test_it_equals_separate_passes(base, saved):
    actor, reward_model = load(base, saved, "bf16")
    actor.model.float()
    torch.nn.init.normal_(actor.value_head.weight, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for parameter in adapters.adapter_parameters(actor.model, POLICY).values():
            parameter += 0.1
    for names in ((REFERENCE,), (REFERENCE, POLICY)):
        expected = pass_by_pass(actor, reward_model, ROWS, SEQUENCES, names)
        assert expected[1].std() > 0.01 and expected[0][-1][0].std() > 0.01
        for size in (1, 4, 100):
            got = at_once(actor, reward_model, ROWS, SEQUENCES, size, names)
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
        assert actor.model.active_adapter == POLICY
        after = pass_by_pass(actor, reward_model, ROWS, SEQUENCES, names)
        torch.testing.assert_close(after, expected, rtol=0, atol=0)  # the model is unchanged afterwards


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_it_holds_in_every_precision_and_equal_adapters_give_equal_values(base, saved, precision):
    actor, reward_model = load(base, saved, precision)
    assert one_pass.possible(actor, reward_model)
    expected = pass_by_pass(actor, reward_model, ROWS, SEQUENCES)
    got = at_once(actor, reward_model, ROWS, SEQUENCES, 4)
    torch.testing.assert_close(got, expected, rtol=0.02, atol=0.05)  # states are bf16
    (reference, policy), _ = at_once(actor, reward_model, ROWS, SEQUENCES, 100)
    torch.testing.assert_close(policy[0], reference[0], rtol=0, atol=0)


def test_responses_of_one_token_each(base, saved):
    actor, reward_model = load(base, saved, "bf16")
    actor.model.float()
    rows, sequences = Rows(ROWS.prompts, [[3]] * 5), [[*prompt, 3] for prompt in ROWS.prompts]
    got = at_once(actor, reward_model, rows, sequences, 6)
    torch.testing.assert_close(got, pass_by_pass(actor, reward_model, rows, sequences), rtol=1e-5, atol=1e-5)


def test_it_is_impossible_without_a_reward_model_or_with_one_on_another_base(base, saved):
    actor, reward_model = load(base, saved, "bf16")
    other, _ = load(base, saved, "bf16")
    assert not one_pass.possible(actor, None)
    assert not one_pass.possible(actor, RewardModel(other.model, reward_model.head, adapter=REWARD))
    actor.compiled = True
    assert not one_pass.possible(actor, reward_model)
