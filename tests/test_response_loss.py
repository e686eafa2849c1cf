"""The memory-saving head for SFT equals TRL's in value and gradient on every kind of base."""

import pytest
import torch
from trl.trainer.utils import add_fused_lm_head

from models import adapters, loading
from models.fast import response_loss

CPU = torch.device("cpu")


@pytest.fixture(params=["random_base", "random_llama_base"])
def model(request):
    torch.manual_seed(0)
    model = loading.load_causal(request.getfixturevalue(request.param), "bf16", CPU).float()
    model = adapters.attach(model, adapters.lora_config(model, 4, 8, 0.0, "CAUSAL_LM"), "sft")
    for parameter in adapters.adapter_parameters(model, "sft").values():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def batch(lengths=(9, 7), prompt=4):
    torch.manual_seed(1)
    ids = torch.randint(4, 250, (len(lengths), max(lengths)))
    mask, labels = torch.ones_like(ids), ids.clone()
    labels[:, :prompt] = -100
    for row, length in enumerate(lengths):
        mask[row, length:], labels[row, length:] = 0, -100
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def loss_and_gradient(model, inputs):
    model.zero_grad()
    answer = model(**inputs, fused_lm_head=True, use_cache=False)
    answer.loss.backward()
    return answer, {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


def test_it_agrees_with_trl(model):
    inner = model.get_base_model()
    add_fused_lm_head(inner, outputs=("log_probs", "entropy", "is_top1"))
    theirs, their_gradient = loss_and_gradient(model, batch())
    assert response_loss.can_use(model)
    response_loss.use_lean_head(model)
    ours, our_gradient = loss_and_gradient(model, batch())
    for name in ("loss", "log_probs", "entropy", "is_top1", "label_mask"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-4, atol=1e-5)
    assert their_gradient.keys() == our_gradient.keys()
    for name, gradient in their_gradient.items():
        torch.testing.assert_close(our_gradient[name], gradient, rtol=1e-3, atol=1e-6)


def test_logits_are_still_available_and_a_batch_without_labels_has_no_gradient(model):
    before = model(input_ids=batch()["input_ids"]).logits
    response_loss.use_lean_head(model)
    assert torch.equal(model(input_ids=batch()["input_ids"]).logits, before)
    inputs = batch()
    inputs["labels"][:] = -100
    answer, gradient = loss_and_gradient(model, inputs)
    assert answer.loss.item() == 0 and all(not g.any() for g in gradient.values())


def test_a_base_that_caps_its_logits_keeps_trls_head(model):
    model.get_base_model().config.final_logit_softcapping = 30.0
    assert not response_loss.can_use(model)
