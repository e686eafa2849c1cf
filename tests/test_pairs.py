"""Both responses of a pair in one row: scores and gradients equal those of separate rows."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from little_training import lines, run_stage
from torch import nn
from transformers import AutoModelForSequenceClassification

from models.fast import attention, pairs

ids = st.lists(st.integers(5, 60), min_size=2, max_size=12)
PAIRS = [
    ([7, 8, 9, 20, 21, 22, 2], [7, 8, 9, 30, 2]),
    ([7, 2], [7, 8, 9, 20, 21, 22, 23, 24, 2]),  # a long and a short second response, with padding in between
    ([11, 12, 13, 2], [14, 15, 2]),  # nothing shared
    ([5, 6, 7, 2], [5, 6, 7, 2]),  # all shared
]


@pytest.fixture(params=["random_base", "random_llama_base"])
def classifier(request):
    base = request.getfixturevalue(request.param)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, dtype=torch.float32)
    model.config.pad_token_id = 1
    attention.use_on_cpu(model)
    return model.eval()


def rows(cases):
    return [{"chosen_ids": chosen, "rejected_ids": rejected} for chosen, rejected in cases]


def scores_of_own_rows(model, cases):
    """[2N] scores, chosen first, with one forward pass per sequence."""
    sides = zip(*cases, strict=True)
    states = [model.base_model(torch.tensor([ids]))[0][0, -1] for side in sides for ids in side]
    return model.score(torch.stack(states))


def test_scores_and_gradients_equal_those_of_separate_rows(classifier):
    weights = torch.tensor([1.0, -2.0, 3.0, 0.5, -1.0, 2.0, 0.3, 1.5])
    found = []
    for shared in (False, True):
        classifier.zero_grad()
        if shared:
            pairs.share_prompts(classifier)
            scores = classifier(**pairs.PairCollator(2)(rows(PAIRS))).logits
        else:
            scores = scores_of_own_rows(classifier, PAIRS)
        (scores[:, 0] * weights).sum().backward()
        gradients = [p.grad.clone() for p in classifier.parameters() if p.grad is not None]
        found.append((scores.detach(), gradients))
    (scores, gradients), (packed_scores, packed_gradients) = found
    assert scores.std() > 0.01
    torch.testing.assert_close(packed_scores, scores, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(packed_gradients, gradients, rtol=1e-4, atol=1e-5)


def test_the_padding_of_a_wide_batch_stays_within_the_positions_of_the_base(classifier):
    """Both long responses fit into the base's 512 positions; their common row is wider."""
    generator = torch.Generator().manual_seed(0)
    long = [torch.randint(5, 60, (400,), generator=generator).tolist() for _ in range(2)]
    cases = [(long[0], long[1]), ([7, 8, 20, 2], [7, 8, 9, 30, 2])]
    with torch.no_grad():
        expected = scores_of_own_rows(classifier, cases)
        pairs.share_prompts(classifier)
        found = classifier(**pairs.PairCollator(2)(rows(cases))).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_other_batches_use_the_classifiers_own_forward(classifier):
    batch = {"input_ids": torch.tensor([[7, 8, 9, 2]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    before = classifier(**batch).logits
    pairs.share_prompts(classifier)
    assert torch.equal(classifier(**batch).logits, before)


@settings(deadline=None)
@given(chosen=ids, rejected=ids)
def test_a_row_holds_both_sequences_and_their_beginning_once(chosen, rejected):
    batch = pairs.PairCollator(0)([{"chosen_ids": chosen, "rejected_ids": rejected}])
    row, (shared, second) = batch["input_ids"][0].tolist(), batch["starts"][0].tolist()
    assert row[:second] == chosen
    assert row[:shared] + row[second:] == rejected
    assert len(row) == pairs.packed_length(chosen, rejected) == int(batch["attention_mask"].sum())
    assert shared < min(len(chosen), len(rejected))


def test_a_base_without_positions_cannot_share():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.base_model = nn.Linear(2, 2)
            self.base_model.config = object()

    assert not pairs.can_share(Plain())


@pytest.mark.parametrize("precision", ["bf16", "int4"])
def test_a_reward_model_learns_the_same_either_way(with_sft, random_base, precision, monkeypatch):
    # keeps the batches the same for both ways
    monkeypatch.setattr(pairs, "packed_length", lambda *pair: max(map(len, pair)))
    losses = []
    for share in (True, False):
        run = run_stage(with_sft, "reward", random_base, precision, max_steps=4, share_prompts=share)
        losses.append([row["loss"] for row in lines(run, "metrics.jsonl") if "loss" in row])
    assert losses[0] == pytest.approx(losses[1], abs=0.03)  # states are bf16
