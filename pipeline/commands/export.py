"""`python -m pipeline export RUN --to DIR`: write a run's model in a form that transformers loads by itself.

merged: the base with the adapter's update added, in fp32 (bf16 would round the update away), loadable by
AutoModelForCausalLM (sft, ppo) or AutoModelForSequenceClassification (reward). adapter: the adapter's own
files with the path of the base, loadable by the same classes if peft is installed. Both forms include the
tokenizer. An adapter that was trained on an int8 or int4 base is merged into the unquantised base; the result
is close, but not identical, to the model that was trained.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from data.errors import Code, UserError
from data.files import sync_tree
from data.workspace import Workspace
from pipeline.runs import snapshots
from pipeline.runs.child import child_environment
from pipeline.runs.quiet import quiet
from pipeline.runs.reader import read_run
from pipeline.runs.record_file import RunRecord
from pipeline.settings.stages import STAGES

FORMS = ("merged", "adapter")


def export(
    workspace: Workspace, run_id: str, to: Path, form: str = "merged", step: int | None = None
) -> Path:
    """Write the model of a done sft, reward, judge or ppo run to the folder `to`.

    The folder must be empty or not exist.

    form: "merged" or "adapter". step: of a snapshot that PPO kept; None takes the finished model. Returns the
    absolute path. Raises UserError.
    """
    record = read_run(workspace, run_id)
    row = STAGES.get(record.stage)
    if row is None or not row.trains_adapter:
        raise UserError(f"{run_id}: a {record.stage} run has no model to export", code=Code.STATE)
    if record.status != "done":
        raise UserError(f"{run_id}: is {record.status}; only a done run can be exported", code=Code.STATE)
    folder = workspace.run(run_id)
    model_dir = folder / "model" if step is None else snapshots.at(folder, step)
    to = Path(to).expanduser().absolute()
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(
            f"{to}: already exists and is not empty; choose another folder with --to", code=Code.NAME
        )
    staging = to.with_name(f".{to.name}-{secrets.token_hex(4)}")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        write = _merged if form == "merged" else _adapter
        quiet()
        write(record, model_dir, staging)
        sync_tree(staging)
        if to.exists():
            to.rmdir()
        os.replace(staging, to)
    except OSError as error:
        raise UserError(f"{to}: cannot be written: {error}", code=Code.NAME) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return to


def export_apart(workspace: Workspace, run_id: str, form: str = "merged", step: int | None = None) -> Path:
    """Export a run to the workspace's exports, in a process of its own, because merging needs torch.

    A model that is there already is not written again: the model of a done run does not change. step: as in
    `export`. Returns the folder. Raises UserError with the message of the command.
    """
    to = folder_of(workspace, run_id, form, step)
    if to.is_dir() and any(to.iterdir()):
        return to
    ended = subprocess.run(
        [sys.executable, *command_line(workspace, run_id, form, step)[1:]],
        capture_output=True,
        text=True,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
    )
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or ["the export ended without a message"]
        raise UserError(said[-1].removeprefix("error: "), code=Code.REQUEST)
    return to


def folder_of(workspace: Workspace, run_id: str, form: str = "merged", step: int | None = None) -> Path:
    """Where the page exports a run to."""
    at_step = "" if step is None else f"-step-{step}"
    return workspace.export(run_id + at_step + ("" if form == "merged" else f"-{form}"))


def command_line(
    workspace: Workspace, run_id: str, form: str = "merged", step: int | None = None
) -> list[str]:
    """The command that exports a run to `folder_of`."""
    to = folder_of(workspace, run_id, form, step)
    words = ["python", "-m", "pipeline", "export", run_id, "--to", str(to), "--format", form]
    words += [] if step is None else ["--step", str(step)]
    return [*words, "--workspace", str(workspace.root)]


def _merged(record: RunRecord, model_dir: Path, to: Path) -> None:
    import torch

    from models import adapters, loading

    base = loading.resolve_base(record.config["base_model"])
    reward = adapters.read_card(model_dir).get("head")
    load = loading.load_reward_base if reward else loading.load_causal
    model = load(base, "bf16", torch.device("cpu")).float()
    model = adapters.load(model, model_dir, record.stage or "", base=base).merge_and_unload()
    if reward:
        model.score.weight.data = adapters.load_head(model_dir).weight.data
    model.config.dtype = torch.float32
    model.save_pretrained(to)
    loading.load_tokenizer(base).save_pretrained(to)


def _adapter(record: RunRecord, model_dir: Path, to: Path) -> None:
    from models import adapters, loading

    base = loading.resolve_base(record.config["base_model"])
    named = record.config["base_model"]
    place = str(base) if named == "tiny" or Path(named).is_dir() else named
    adapters.copy(model_dir, to, base=base, base_model_name_or_path=place)
    loading.load_tokenizer(base).save_pretrained(to)
