"""Sampling: correct positions, correct probabilities, and rows that do not affect each other."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from models import generation
from models.generation import generate, row_uniforms
from models.loading import load_tokenizer
from models.prompting import PromptFormat

EOS, PAD = 0, 1
PROMPTS = [[5, 9, 2], [7, 8, 9, 10, 11, 12, 13], [4]]


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request, random_base, random_llama_base):
    """fp32, with weights large enough that the distribution over tokens is far from uniform."""
    base = random_base if request.param == "gpt2" else random_llama_base
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and "wpe" not in name:
            torch.nn.init.normal_(parameter, std=0.25)
    return model


def sample(model, prompts=PROMPTS, seed=3, **options):
    options = {"max_new_tokens": 24, "temperature": 1.3, "pad_id": PAD, "eos_id": EOS} | options
    if "uniforms" not in options:
        options["generator"] = torch.Generator().manual_seed(seed)
    return generate(model, prompts, **options)


def test_greedy_answers_to_padded_prompts_are_those_of_the_library_without_padding(model):
    ours = sample(model, temperature=0)
    for prompt, tokens in zip(PROMPTS, ours.tokens, strict=True):
        theirs = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=24,
            do_sample=False, eos_token_id=EOS, pad_token_id=PAD, suppress_tokens=[PAD],
        )  # fmt: skip
        assert tokens == theirs[0, len(prompt) :].tolist()


def test_log_probabilities_are_those_of_one_pass_over_the_whole_answer(model):
    result = sample(model, PROMPTS * 3, forbid_ids=[2, 3])
    for prompt, tokens, logprobs in zip(PROMPTS * 3, result.tokens, result.logprobs, strict=True):
        logits = model(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1].detach()
        logits[:, [PAD, 2, 3]] = float("-inf")
        expected = (logits / 1.3).log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(logprobs), expected, atol=2e-4, rtol=0)


def test_an_answer_does_not_depend_on_its_batch_mates(model):
    uniforms = row_uniforms(6, 24, torch.Generator().manual_seed(1))
    together = sample(model, PROMPTS * 2, uniforms=uniforms)
    for row, prompt in enumerate(PROMPTS * 2):
        alone = sample(model, [prompt], uniforms=uniforms[row : row + 1])
        assert alone.tokens[0] == together.tokens[row]
        assert alone.logprobs[0] == pytest.approx(together.logprobs[row], abs=1e-3)
    backwards = sample(model, (PROMPTS * 2)[::-1], uniforms=uniforms.flip(0))
    assert backwards.tokens == together.tokens[::-1]


def test_the_same_seed_gives_the_same_answers_and_another_seed_different_ones(model):
    assert sample(model).tokens == sample(model).tokens
    assert sample(model).tokens != sample(model, seed=4).tokens


def test_samples_follow_the_models_distribution(model):
    count = 4000
    result = sample(model, [[5, 9]] * count, max_new_tokens=1, forbid_ids=[7])
    logits = model(torch.tensor([[5, 9]])).logits[0, -1].detach()
    logits[[PAD, 7]] = float("-inf")
    expected = (logits / 1.3).softmax(-1)
    seen = torch.bincount(torch.tensor(result.tokens)[:, 0], minlength=len(expected)) / count
    assert seen[PAD] == seen[7] == 0
    # Three times the scale of the sampling error in total variation distance at this sample size.
    limit = 3 * torch.sqrt(expected * (1 - expected) / count).sum().item() / 2
    assert (seen - expected).abs().sum().item() / 2 < limit
    assert expected.max() < 0.9


def test_finished_rows_leave_the_batch_and_the_others_go_on_unchanged(model, monkeypatch):
    for step in (generation.gpt2_step, generation.llama_step):  # they do not call the model's forward pass
        monkeypatch.setattr(step, "of", lambda model: None)
    sizes, dropped = [], []  # rows of each forward pass, rows kept at each drop
    forward = model.forward

    def counting(*args, **kwargs):
        sizes.append(len(kwargs["input_ids"]))
        output = forward(*args, **kwargs)
        output.logits[..., EOS] += 8  # without this, few rows would end
        return output

    prompts = PROMPTS * 6
    uniforms = row_uniforms(len(prompts), 60, torch.Generator().manual_seed(2))
    model.forward = counting
    try:
        result = sample(
            model,
            prompts,
            max_new_tokens=60,
            temperature=2.5,
            uniforms=uniforms,
            on_drop=lambda k: dropped.append(len(k)),
        )
    finally:
        model.forward = forward
    lengths = [len(tokens) for tokens in result.tokens]
    assert min(lengths) < max(lengths) and dropped and sizes[-1] < sizes[0]
    assert [tokens[-1] == EOS for tokens in result.tokens] == result.ended
    assert all(EOS not in tokens[:-1] for tokens in result.tokens)
    assert lengths == [len(logprobs) for logprobs in result.logprobs]


def test_the_pad_token_is_never_sampled_however_likely_the_model_makes_it(model):
    def wants_pad(module, args, output):
        output.logits[..., PAD] = 1e4

    handle = model.register_forward_hook(wants_pad)
    try:
        for options in ({"temperature": 0}, {}, {"top_k": 5}, {"top_p": 0.5}):
            assert all(PAD not in tokens for tokens in sample(model, PROMPTS * 4, **options).tokens)
    finally:
        handle.remove()


@pytest.mark.parametrize("edge", [0.0, 1.0 - 2**-24])
def test_the_ends_of_the_random_range_give_possible_tokens(model, edge):
    forbidden = [2, 3, *range(300, 320)]  # at both ends of the vocabulary
    result = sample(model, uniforms=torch.full((3, 24), edge), forbid_ids=forbidden)
    assert not {PAD, *forbidden} & {token for tokens in result.tokens for token in tokens}
    assert all(value > -60 for logprobs in result.logprobs for value in logprobs)


def test_top_k_and_top_p_keep_only_the_likely_tokens(model):
    greedy = sample(model, temperature=0, max_new_tokens=1).tokens
    assert sample(model, max_new_tokens=1, top_k=1).tokens == greedy
    assert sample(model, max_new_tokens=1, top_p=1e-6).tokens == greedy


class _Scripted(torch.nn.Module):
    """Generates the given ids for every prompt."""

    def __init__(self, model, script):
        super().__init__()
        self.config, self.device, self.script, self.size = (
            model.config,
            model.device,
            script,
            model.config.vocab_size,
        )

    def forward(self, input_ids, past_key_values, **_):
        logits = torch.zeros(len(input_ids), 1, self.size)
        logits[:, :, self.script.pop(0)] = 100.0
        return type("Output", (), {"logits": logits})


def test_a_stop_string_ends_the_row(model, random_base):
    text = PromptFormat(load_tokenizer(random_base))
    script = text.tokenizer.encode(" Yes.\n\nHuman: and now a question of my own")
    marker = text.tokenizer.encode(" Yes.\n\nHuman:")
    result = generate(
        _Scripted(model, list(script)),
        [[5]],
        max_new_tokens=40,
        temperature=0,
        pad_id=PAD,
        eos_id=EOS,
        stop=text,
    )
    assert result.ended == [True] and len(result.tokens[0]) == len(marker)
    assert text.decode(text.cut_response(result.tokens[0])[0]) == "Yes."


def test_on_step_sees_each_token_as_it_comes_and_can_end_the_generation(model):
    seen = {}

    def watch(rows, ids):
        for row, token in zip(rows, ids, strict=True):
            seen.setdefault(row, []).append(token)
        return len(seen[rows[0]]) == 5

    result = sample(model, on_step=watch)
    assert [seen[row] for row in range(3)] == result.tokens
    assert max(map(len, result.tokens)) == 5


def test_empty_requests_return_at_once_and_invalid_ones_are_refused(model):
    assert sample(model, []).tokens == []
    assert sample(model, max_new_tokens=0).tokens == [[], [], []]
    with pytest.raises(ValueError, match="no tokens"):
        sample(model, [[1], []])
    with pytest.raises(ValueError, match="temperature"):
        sample(model, temperature=-1)
