"""Several processes: refused combinations, distribution of rows, and two real processes that match one."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from little_ppo import SIZES, stand
from little_training import lines, write_dataset
from safetensors.torch import load_file
from waiting import NEVER

from data.errors import UserError
from data.workspace import Workspace
from models import loading
from pipeline.commands import cli
from pipeline.runs import checkpoints
from pipeline.runs.child import child_environment
from pipeline.runs.reader import list_runs
from pipeline.runs.record import Run
from pipeline.settings.layers import build
from pipeline.training import distributed
from pipeline.training.dealing import Dealt, WithFiller

ROOT = Path(__file__).resolve().parent.parent
FEW = (
    "dataset=little", "max_steps=3", "batch_size=8", "micro_batch_size=2", "eval_steps=3", "save_steps=2",
    "learning_rate=0.01", "max_length=96",
)  # fmt: skip
pytestmark = pytest.mark.usefixtures("nondeterministic_after")


@pytest.fixture
def launched(monkeypatch):
    """launched(rank, count, **more) gives this process the environment of one that a launcher started."""

    def inner(rank=0, count=2, **more):
        facts = {"RANK": str(rank), "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"} | more
        for name, value in facts.items():
            monkeypatch.setenv(name, value)

    return inner


# -- refusals and sizes


def settings(stage, *overrides, precision="bf16"):
    return build(stage, "tiny", precision=precision, overrides=overrides)


FSDP = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
ZERO = {"ACCELERATE_USE_DEEPSPEED": "true"}


@pytest.mark.parametrize(
    ("stage", "precision", "asked", "said"),
    [
        ("sft", "int8", FSDP, "int8 cannot be split by FSDP"),
        ("reward", "int4", ZERO, "int4 cannot be split by ZeRO"),
        ("ppo", "bf16", FSDP, "ppo does not run under FSDP"),
        ("ppo", "int4", ZERO, "ppo does not run under ZeRO"),
        ("sft", "bf16", {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, "FSDP version 2"),
    ],
)
def test_a_combination_that_cannot_work_is_refused_in_one_line_before_anything_is_loaded(
    workspace, launched, monkeypatch, capsys, stage, precision, asked, said
):
    launched(**asked)
    monkeypatch.setattr(loading, "_load", None)
    code = cli.main([stage, "--precision", precision, "--workspace", str(workspace.root)])
    shown = capsys.readouterr().err
    assert code == 2 and said in shown and len(shown.splitlines()) == 1
    assert list_runs(workspace) == []


def test_zero_without_deepspeed_says_how_to_install_it(launched, monkeypatch):
    launched(**ZERO)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install deepspeed"):
        distributed.check("sft", settings("sft"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_splitting_a_base_without_gpus_is_refused(launched):
    launched(**FSDP)
    with pytest.raises(UserError, match="needs GPUs"):
        distributed.check("sft", settings("sft"))


@pytest.mark.parametrize(
    ("stage", "overrides", "said"),
    [
        ("sft", ["batch_size=9", "micro_batch_size=3"], "batch_size=9 .* 2 processes; batch_size=8 can"),
        ("reward", ["batch_size=6", "micro_batch_size=2"], "micro_batch_size=1 does"),
        ("ppo", ["batch_size=6", "num_minibatches=2", "micro_batch_size=1"], "batch_size=4 can"),
    ],
)
def test_a_batch_that_cannot_be_split_is_reported(launched, stage, overrides, said):
    launched()
    with pytest.raises(UserError, match=said):
        distributed.check(stage, settings(stage, *overrides))


def test_a_micro_batch_is_never_more_than_a_process_has(launched):
    assert distributed.micro_batch(32, 32) == 32
    launched()
    distributed.check("reward", settings("reward"))
    assert distributed.micro_batch(32, 32) == 16 and distributed.micro_batch(4, 32) == 4


def test_other_commands_run_in_one_process_only(workspace, launched, capsys):
    launched()
    for command in (["prepare"], ["all"], ["status"]):
        assert cli.main([*command, "--workspace", str(workspace.root)]) == 2
        assert "runs in one process" in capsys.readouterr().err


# -- one process, several GPUs


@pytest.mark.parametrize(("gpus", "split", "given"), [(2, True, "auto"), (2, False, None), (1, True, None)])
def test_a_base_is_split_over_several_gpus_on_request(random_base, monkeypatch, gpus, split, given):
    asked = []

    def from_pretrained(folder, device_map, **more):
        asked.append(device_map)
        raise ValueError("far enough")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(loading.AutoModelForCausalLM, "from_pretrained", from_pretrained)
    with pytest.raises(UserError, match="far enough"):
        loading.load_causal(random_base, "bf16", torch.device("cpu"), split=split)
    assert asked == [given]


def test_a_split_base_and_several_processes_exclude_each_other(launched):
    launched()
    with pytest.raises(UserError, match="split_base"):
        distributed.check("sft", settings("sft", "split_base=true"))


# -- distribution of rows


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("rows", "batch", "micro"), [(24, 12, 2), (25, 12, 2), (29, 12, 1), (7, 12, 2)])
def test_each_batch_is_distributed_completely_and_in_equally_many_steps(count, rows, batch, micro):
    order = list(reversed(range(rows)))
    parts = [list(Dealt(order, batch, micro, rank, count)) for rank in range(count)]
    assert {len(part) for part in parts} == {len(Dealt(order, batch, micro, 0, count))}
    assert all(1 <= len(one) <= micro for part in parts for one in part)
    dealt = [row for part in parts for one in part for row in one if row != rows]
    assert sorted(dealt) == list(range(rows))
    steps = batch // (micro * count)
    for update, start in enumerate(range(0, rows, batch)):
        mine = [one for part in parts for one in part[update * steps : (update + 1) * steps]]
        assert {row for one in mine for row in one} - {rows} == set(order[start : start + batch])


def test_filler_rows_come_after_the_real_rows():
    rows = WithFiller(["a", "b"], "nothing")
    assert [rows[i] for i in range(len(rows))] == ["a", "b", "nothing"]


def test_the_shares_in_order_give_the_complete_list(launched):
    rows = list(range(11))
    shares = []
    for rank in range(3):
        launched(rank, 3)
        shares.append(rows[distributed.share(len(rows))])
    assert sum(shares, []) == rows and [len(share) for share in shares] == [3, 4, 4]


# -- real processes


def launch(*arguments, configuration="ddp.yaml"):
    """Run tests/launched.py with a shipped configuration in two processes; returns the finished process."""
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--config_file",
        str(ROOT / "pipeline" / "launch" / configuration), "--num_processes", "2",
        "--main_process_port", "0", str(ROOT / "tests" / "launched.py"), *map(str, arguments),
    ]  # fmt: skip
    environment = child_environment() | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=NEVER, cwd=ROOT)


def commands(place, base, *stages, precision="bf16", more=()):
    """The command lines of the stages in sequence, in the form that launched.py takes.

    "sft 17" runs the stage sft on 17 rows.
    """
    found = []
    for stage, _, rows in (stage.partition(" ") for stage in stages):
        chosen = [*(SIZES if stage == "ppo" else FEW), f"base_model={base}"]
        chosen += [f"max_rows={rows}"] if rows else []
        chosen += ["lora_rank=4", "lora_alpha=8"] if stage == "sft" else []
        chosen += ["dataset=small", "max_steps=3"] if stage == "ppo" else []
        line = [stage, "--workspace", place.root, "--precision", precision, "--set", *chosen, *more]
        found += [*(["then"] if found else []), *line]
    return found


def ready(folder, base, rows=21):
    """A workspace with data sets and random parents."""
    place = Workspace(folder).create()
    parents = stand(place, base)
    write_dataset(place, train=rows)
    return place, parents


def newest(place, stage):
    return Run.load(place, next(r.id for r in list_runs(place) if r.stage == stage))


def made_after(place, parents):
    """The runs that are not parents, oldest first."""
    return [Run.load(place, r.id) for r in reversed(list_runs(place)) if r.id not in parents.values()]


def weights(run):
    return {
        f"{path.name}/{name}": tensor
        for path in sorted(run.model_dir.glob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def assert_close(one, two, within=1e-5):
    assert one.keys() == two.keys()
    for name in one:
        assert (one[name] - two[name]).abs().max() <= within, name


def in_this_process(monkeypatch, arguments):
    load = loading._load
    monkeypatch.setattr(loading, "_load", lambda *args, **kwargs: load(*args, **kwargs).float())
    while arguments:
        end = arguments.index("then") if "then" in arguments else len(arguments)
        assert cli.main([str(argument) for argument in arguments[:end]]) == 0
        arguments = arguments[end + 1 :]


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_and_one_run_each(tmp_path, random_base, monkeypatch):
    (one, before), (two, parents) = ready(tmp_path / "one", random_base), ready(tmp_path / "two", random_base)
    # Batches of 8: the second of 15 rows is split into 4 and 3; the last of 9 leaves one process none.
    stages = ("sft 9", "reward 15", "reward 9", "ppo")
    done = launch("fp32", *commands(two, random_base, *stages))
    assert done.returncode == 0, done.stderr[-3000:]
    in_this_process(monkeypatch, commands(one, random_base, *stages))
    runs = made_after(two, parents)
    assert [run.record.stage for run in runs] == ["sft", "reward", "reward", "ppo"]
    assert done.stdout.splitlines()[-1] == str(runs[-1].folder / "run.json")
    for alone, together in zip(made_after(one, before), runs, strict=True):
        assert together.record.status == "done" and together.record.attempts[-1].processes == 2
        assert_close(weights(alone), weights(together))
        losses = [
            [row["loss"] for row in lines(run, "metrics.jsonl") if "loss" in row] for run in (alone, together)
        ]
        assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    sft, ppo = (load_file(run.model_dir / "adapter_model.safetensors") for run in (runs[0], runs[-1]))
    assert max((sft[name] - ppo[name]).abs().max() for name in sft) > 1e-3  # the weights moved


@pytest.mark.faults(2)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raise:1", "process 1 of 2: ValueError: a bug in one process"),
        ("raise:0", "ValueError: a bug in one process"),
        ("kill:1", "process 1 of 2 .* was killed"),
    ],
)
def test_a_failure_in_one_process_ends_all_and_is_recorded(tmp_path, random_base, fault, said):
    place, _ = ready(tmp_path / "w", random_base)
    done = launch("fp32", fault, *commands(place, random_base, "ppo"))
    run = newest(place, "ppo")
    assert done.returncode != 0
    assert run.record.status == "failed"
    assert re.search(said, run.record.error)
    if not fault.startswith("kill"):  # after a kill, the launcher ends the other process as soon as it can
        assert str(run.folder / "run.json") in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["ppo", "sft"])
def test_two_processes_stop_together_and_resume_as_if_undisturbed(tmp_path, random_base, stage):
    (calm, _), (cut, _) = ready(tmp_path / "calm", random_base), ready(tmp_path / "cut", random_base)
    more = ["max_steps=5", "save_steps=2"] + (["lora_dropout=0.1"] if stage == "sft" else [])
    assert launch("fp32", *commands(calm, random_base, stage, more=more)).returncode == 0
    if stage == "ppo":
        stopped = launch("fp32", "stop:1", *commands(cut, random_base, stage, more=more))
        assert "cancelled" in stopped.stderr
        run = newest(cut, stage)
        assert run.record.status == "cancelled"
    else:  # the state after a kill at step 4: only the last checkpoint remains
        assert launch("fp32", *commands(cut, random_base, stage, more=more)).returncode == 0
        run = newest(cut, stage)
        checkpoints.drop_after(run.checkpoints_dir, 4)
        run.change_attempt(status="failed")
        run.change(status="failed")
    again = launch("fp32", "resume", run.id, "--workspace", cut.root)
    assert again.returncode == 0, again.stderr[-3000:]
    whole, resumed = newest(calm, stage), newest(cut, stage)
    assert resumed.record.attempts[-1].from_step > 0
    assert lines(whole, "metrics.jsonl") == lines(resumed, "metrics.jsonl")
    assert_close(weights(whole), weights(resumed), within=0.0)


NO_DEEPSPEED = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed"
)


@pytest.mark.slow
@pytest.mark.parametrize("configuration", ["fsdp.yaml", pytest.param("zero2.yaml", marks=NO_DEEPSPEED)])
def test_a_base_split_over_two_processes_gives_the_weights_of_one(
    tmp_path, random_base, monkeypatch, configuration
):
    (one, before), (two, parents) = ready(tmp_path / "one", random_base), ready(tmp_path / "two", random_base)
    stages = ("sft 15", "reward 15")
    done = launch("sharded", "fp32", *commands(two, random_base, *stages), configuration=configuration)
    assert done.returncode == 0, done.stderr[-3000:]
    in_this_process(monkeypatch, commands(one, random_base, *stages))
    for alone, together in zip(made_after(one, before), made_after(two, parents), strict=True):
        assert_close(weights(alone), weights(together))
    run = newest(two, "sft")
    last = weights(run)
    checkpoints.drop_after(run.checkpoints_dir, 2)
    run.change_attempt(status="failed")
    run.change(status="failed")
    again = launch("sharded", "fp32", "resume", run.id, "--workspace", two.root, configuration=configuration)
    assert again.returncode == 0, again.stderr[-3000:]
    assert_close(weights(run), last, within=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_quantised_bases_train_in_two_processes_with_checkpointing(tmp_path, random_base, precision):
    place, _ = ready(tmp_path / "w", random_base)
    more = ["gradient_checkpointing=true", "max_steps=2"]
    done = launch(*commands(place, random_base, "sft", precision=precision, more=more))
    assert done.returncode == 0, done.stderr[-3000:]
    done = launch(*commands(place, random_base, "reward", "ppo", precision=precision, more=more))
    assert done.returncode == 0, done.stderr[-3000:]
    assert newest(place, "ppo").record.results["parameters_without_gradient"] == []
