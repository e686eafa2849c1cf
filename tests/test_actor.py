"""The actor equals a plain forward pass of the complete model, and its adapters stay separate."""

import pytest
import torch
from little_policies import save_policies

from models.actor import POLICY, REFERENCE, Actor, Rows
from models.loading import load_tokenizer

CPU = torch.device("cpu")
ROWS = Rows(
    prompts=[[5, 9, 2, 40], [7], [30, 31, 32, 33, 34, 35, 36], [100, 101]],
    responses=[[11, 12, 0], [50, 51, 52, 53, 54], [60], [70, 71, 72, 0]],
)


@pytest.fixture(params=["gpt2", "llama"], scope="module")
def base(request, random_base, random_llama_base):
    return {"gpt2": random_base, "llama": random_llama_base}[request.param]


@pytest.fixture(scope="module")
def sft(base, tmp_path_factory):
    return save_policies(base, tmp_path_factory.mktemp("sft"), ("sft",))["sft"]


def load(base, sft, precision="bf16"):
    tokenizer = load_tokenizer(base)
    actor = Actor.load(sft, base, precision, CPU, tokenizer.pad_token_id, tokenizer.eos_token_id)
    torch.nn.init.normal_(actor.value_head.weight, generator=torch.Generator().manual_seed(3))
    return actor


def exact(base, sft):
    """In fp32, so that only mistakes show as differences; the policy has moved away from the reference."""
    actor = load(base, sft)
    actor.model.float()
    move(actor)
    return actor


@pytest.fixture(scope="module")
def actor(base, sft):
    """An actor shared by the tests that do not change its weights."""
    return exact(base, sft)


def move(actor, seed=4, size=0.1):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in actor.parameters().items():
            if name != "value_head.weight":
                parameter += size * torch.randn(parameter.shape, generator=generator)


def plainly(actor, adapter, temperature):
    """(logprobs, values), each a list of [response] tensors, by one forward pass per row without padding."""
    actor.use(adapter)
    results = ([], [])
    for prompt, response in zip(ROWS.prompts, ROWS.responses, strict=True):
        with torch.no_grad():
            out = actor.model(input_ids=torch.tensor([[*prompt, *response]]), output_hidden_states=True)
        before = slice(len(prompt) - 1, -1)
        logits = out.logits[0, before].float() / temperature
        logits[:, actor.pad_id] = float("-inf")
        every = logits.log_softmax(-1)
        results[0].append(every[torch.arange(len(response)), torch.tensor(response)])
        values = out.hidden_states[-1][0, before].float() @ actor.value_head.weight.T
        results[1].append(values[:, 0].detach())
    actor.use(POLICY)
    return results


def compare(got, expected, tolerance):
    mask = ROWS.mask()
    for tensor, rows in zip(got, expected, strict=True):
        assert tensor.shape == mask.shape and not tensor[~mask].any()
        for k, row in enumerate(rows):
            torch.testing.assert_close(tensor[k, : len(row)], row, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("adapter", [POLICY, REFERENCE])
@pytest.mark.parametrize("micro", [1, 3, 4])
def test_everything_equals_a_teacher_forced_pass_of_the_whole_model(actor, adapter, micro):
    compare(actor.evaluate_all(ROWS, adapter, 0.7, micro), plainly(actor, adapter, 0.7), 1e-4)


def test_policy_and_reference_are_equal_until_the_policy_moves(base, sft):
    actor = load(base, sft)
    start = [actor.evaluate_all(ROWS, name, 0.7, 4)[0] for name in (POLICY, REFERENCE)]
    assert torch.equal(*start)
    move(actor)
    assert (actor.evaluate_all(ROWS, POLICY, 0.7, 4)[0] - start[0]).abs().max() > 0.1
    assert torch.equal(actor.evaluate_all(ROWS, REFERENCE, 0.7, 4)[0], start[1])


def test_a_row_does_not_depend_on_its_batch_mates_or_their_order(actor):
    together = actor.evaluate_all(ROWS, POLICY, 1.0, 4)
    order = [2, 0, 3, 1]
    permuted = actor.evaluate_all(ROWS.pick(order), POLICY, 1.0, 2)
    for a, b in zip(together, permuted, strict=True):
        torch.testing.assert_close(a[order], b, rtol=1e-4, atol=1e-4)
    alone = actor.evaluate_all(ROWS.pick([0]), POLICY, 1.0, 1)
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[0, :3], b[0], rtol=1e-4, atol=1e-4)


def test_training_steps_change_the_policy_and_the_value_head_and_nothing_else(base, sft):
    actor = exact(base, sft)
    trained = {id(p) for p in actor.parameters().values()}
    frozen = {name: p.clone() for name, p in actor.model.named_parameters() if id(p) not in trained}
    reference = actor.evaluate_all(ROWS, REFERENCE, 0.7, 4)[0]
    before = {name: p.detach().clone() for name, p in actor.parameters().items()}
    optimizer = torch.optim.AdamW(actor.parameters().values(), lr=1e-2)
    for _ in range(2):
        got = actor.evaluate(ROWS, range(4), 0.7)
        (got.logprobs.sum() + got.values.square().sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(not torch.equal(p, before[name]) for name, p in actor.parameters().items())
    now = dict(actor.model.named_parameters())
    assert all(torch.equal(now[name], p) and now[name].grad is None for name, p in frozen.items())
    assert torch.equal(actor.evaluate_all(ROWS, REFERENCE, 0.7, 4)[0], reference)


@pytest.mark.parametrize("adapter", [POLICY, REFERENCE])
def test_only_policy_and_value_head_require_gradients_whichever_adapter_is_active(actor, adapter):
    actor.use(adapter)
    assert actor.model.active_adapter == adapter
    wanted = {id(p) for p in actor.parameters().values()}
    flagged = {id(p) for p in [*actor.model.parameters(), actor.value_head.weight] if p.requires_grad}
    assert flagged == wanted
    assert all(p.dtype == torch.float32 for p in actor.parameters().values())
    assert len(actor.parameters()) > 8 and "value_head.weight" in actor.parameters()


def test_the_gradient_is_that_of_a_plain_forward_pass(actor):
    actor.use(POLICY)
    weights = torch.randn(ROWS.mask().shape, generator=torch.Generator().manual_seed(5))
    got = actor.evaluate(ROWS, range(4), 0.7)
    (got.logprobs * weights[ROWS.mask()]).sum().backward()
    ours = {name: p.grad.clone() for name, p in actor.parameters().items() if p.grad is not None}
    actor.model.zero_grad()
    total = 0.0
    for k, (prompt, response) in enumerate(zip(ROWS.prompts, ROWS.responses, strict=True)):
        logits = actor.model(input_ids=torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
        blocked = torch.arange(logits.shape[1]) == actor.pad_id
        every = (logits / 0.7).masked_fill(blocked, float("-inf")).log_softmax(-1)
        chosen = every[torch.arange(len(response)), torch.tensor(response)]
        total += (chosen * weights[k, : len(response)]).sum()
    total.backward()
    expected = {name: p.grad for name, p in actor.parameters().items() if name != "value_head.weight"}
    assert set(ours) == set(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-3, atol=1e-4 * gradient.abs().max().item())
    actor.model.zero_grad()


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_each_precision_agrees_with_a_plain_pass_and_leaves_the_reference_alone(base, sft, precision):
    actor = load(base, sft, precision)
    compare(actor.evaluate_all(ROWS, POLICY, 0.7, 2), plainly(actor, POLICY, 0.7), 0.15)
    reference = actor.evaluate_all(ROWS, REFERENCE, 0.7, 4)[0]
    got = actor.evaluate(ROWS, range(4), 0.7)
    (got.logprobs.sum() + got.values.sum()).backward()
    for name, parameter in actor.parameters().items():
        assert parameter.grad is not None and bool(parameter.grad.any()), name
        parameter.data -= 0.5 * parameter.grad.sign()
    assert torch.equal(actor.evaluate_all(ROWS, REFERENCE, 0.7, 4)[0], reference)
    assert not torch.equal(actor.evaluate_all(ROWS, POLICY, 0.7, 4)[0], reference)


def test_rows_have_their_mask_and_are_grouped_by_similar_length():
    assert ROWS.mask().sum(dim=1).tolist() == [3, 5, 1, 4] and ROWS.mask().shape == (4, 5)
    groups = list(ROWS.micro_batches([0, 1, 2, 3], 3))
    assert groups == [[2, 0, 1], [3]] and sorted(sum(groups, [])) == [0, 1, 2, 3]
    assert ROWS.pick([3, 1]).responses == [ROWS.responses[3], ROWS.responses[1]]


@pytest.mark.slow
def test_compiled_passes_give_the_same_numbers(base, sft):
    plain, compiled = exact(base, sft), exact(base, sft)
    compiled.compile_passes()
    found = []
    for actor in (plain, compiled):
        got = actor.evaluate(ROWS, range(4), 0.7)
        (got.logprobs.sum() + got.values.sum()).backward()
        found.append([got.logprobs.detach(), *(p.grad for p in actor.parameters().values())])
    # Compiled code adds in another order. The gradients reach 80, and rounding changes them by up to 5e-4.
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-3)
