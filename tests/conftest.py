"""Fixtures: small random bases with a byte-level tokenizer, created per session, and an empty workspace.

`make test` runs the files in two processes side by side (pytest-xdist); a third one does not make it quicker
on two cores. Each file belongs to one process, so that module fixtures are made once. The files that take
longest come first, so that both processes end at about the same time.
"""

import gc
import importlib
import os
import random
import shutil
import sys

import numpy
import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the other test process uses the other core
# The same examples in every run and no time limit per example, so that no result depends on chance or speed.
settings.register_profile("same every time", derandomize=True, deadline=None, database=None)
settings.load_profile("same every time")

# The long tests in Chromium, which `make test-browser` runs; `make test` keeps those of the arena.
BROWSER = (
    "test_page.py",
    "test_accessibility.py",
    "test_page_state.py",
    "test_login_browser.py",
    "test_newcomer.py",
    "test_trained_page.py",
)
LONGEST_FIRST = (
    "test_page.py",
    "test_page_state.py",
    "test_kill_and_resume.py",
    "test_arena_page.py",
    "test_study_run.py",
    "test_inference.py",
    "test_sft.py",
    "test_training_recovery.py",
    "test_accessibility.py",
    "test_roles.py",
    "test_ppo_recovery.py",
    "test_ppo_sanity.py",
    "test_everything.py",
    "test_reward.py",
    "test_ppo.py",
    "test_judged_evaluation.py",
    "test_cli.py",
    "test_payloads.py",
    "test_door.py",
    "test_hub.py",
    "test_api.py",
    "test_login_browser.py",
    "test_jobs.py",
    "test_evaluate.py",
)

TEXT = [
    "\n\nHuman: What is the capital of France?\n\nAssistant: The capital of France is Paris.",
    "\n\nHuman: Thank you!\n\nAssistant: You are welcome. Is there anything else?",
    "\n\nHuman: How do I boil an egg?\n\nAssistant: Put it into boiling water for eight minutes.",
]


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items):
    """Mark the tests of BROWSER, and put the files that take longest first."""
    for item in items:
        if item.path.name in BROWSER:
            item.add_marker(pytest.mark.browser)
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish():
    """Import what trainers import when they start, and let the garbage collector ignore all that exists now.

    Every training collects garbage several times, and each pass over the objects of torch, transformers and
    Gradio takes half a second.
    """
    if "torch" in sys.modules:
        importlib.import_module("pipeline.commands.preload")
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Each test draws the same numbers, whichever tests ran before it."""
    random.seed(0)
    numpy.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def _save_tokenizer(folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|pad|>", model_max_length=512
    )
    fast.save_pretrained(folder)
    return len(fast)


@pytest.fixture(scope="session")
def random_base(tmp_path_factory):
    """Folder of a random two-layer GPT-2 (d = 64, Conv1D) with its tokenizer."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("random_gpt2")
    size = _save_tokenizer(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=size,
        n_positions=512,
        n_embd=64,
        n_layer=2,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    GPT2LMHeadModel(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def random_llama_base(tmp_path_factory):
    """Folder of a random two-layer Llama (d = 64, Linear, grouped queries, untied head) and its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("random_llama")
    size = _save_tokenizer(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=1,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture
def workspace(tmp_path):
    """An empty workspace for one test."""
    from data.workspace import Workspace

    return Workspace(tmp_path / "workspace").create()


@pytest.fixture(scope="session")
def _sft_workspace(tmp_path_factory, random_base):
    import torch
    from little_training import run_stage, write_dataset

    from data.workspace import Workspace

    workspace = Workspace(tmp_path_factory.mktemp("sft") / "workspace").create()
    write_dataset(workspace)
    run_stage(workspace, "sft", random_base, max_steps=2)
    torch.use_deterministic_algorithms(False)
    return workspace


@pytest.fixture
def with_sft(workspace, _sft_workspace):
    """A workspace with the data set `little` and a short SFT run, which is trained once and copied for each
    test: a reward model's parents."""
    shutil.copytree(_sft_workspace.root, workspace.root, dirs_exist_ok=True)
    return workspace


@pytest.fixture
def ppo_parents(workspace, random_base):
    """A data set and a finished SFT run and bf16 reward run in the workspace."""
    from little_ppo import stand

    return stand(workspace, random_base)


@pytest.fixture
def make_trainer(workspace, ppo_parents, random_base):
    """make_trainer(*overrides) -> a PPO Trainer on a new run."""
    from little_ppo import trainer_of

    return lambda *overrides: trainer_of(workspace, ppo_parents, *overrides, base=random_base)


@pytest.fixture
def nondeterministic_after():
    """Restores nondeterministic kernels, because executing a stage makes this process deterministic."""
    import torch

    yield
    torch.use_deterministic_algorithms(False)
