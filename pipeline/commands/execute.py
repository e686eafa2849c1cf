"""Runs one stage in this process, from its parents to its terminal state.

`execute` takes the workspace's training lock, finds the parents, opens the run's record, seeds the random
number generators, calls the stage's entry function and closes the record, also after an error. The table of
stages (`pipeline.settings.stages`) names the module of a stage, which is imported only when the stage runs.

    run = execute("sft", build("sft"), workspace)      # run.record.status: done or cancelled
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from data.bases import origin_facts
from data.errors import Code, UserError
from data.files import disk_full
from data.workspace import Workspace
from evaluation.resources import adapter_bytes, peak_rss_bytes
from pipeline.memory.estimate import refuse_what_cannot_fit
from pipeline.runs import checkpoints, leftovers, locks
from pipeline.runs.experiment import write_experiment
from pipeline.runs.hardware import physical_cores
from pipeline.runs.lineage import resolve_parents
from pipeline.runs.parents import Resolved
from pipeline.runs.progress import ProgressLine, full_disk_ignored, logged
from pipeline.runs.quiet import quiet
from pipeline.runs.reader import list_runs, read_run
from pipeline.runs.record import Cancelled, Run, withdraw_cancel
from pipeline.runs.record_file import parse
from pipeline.runs.seals import unsealed
from pipeline.settings.layers import from_dict, to_dict
from pipeline.settings.stages import STAGES, Stage, Stages
from pipeline.training import distributed
from pipeline.training.recovery import is_out_of_memory


def execute(
    stage: str,
    settings: Any,
    workspace: Workspace,
    run: Run | None = None,
    started: Callable[[Run], None] = lambda run: None,
    company: int = 0,
    stages: Stages = STAGES,
) -> Run:
    """Run a stage to its end; `run` is an existing run (queued, or to be resumed), None creates a new one.

    company: 0 for a stage that runs by itself. `all` and studies, which hold the training lock, pass the
    number of stages that they run side by side, including this one; these share the cores. started: called
    once the run's folder exists.

    Returns the run, done or cancelled. Raises UserError for an error that the user can correct (the run, if
    it exists by then, is "failed") and any other exception for a bug (its traceback is in the run's log).
    """
    workspace.create()
    distributed.check(stage, settings)
    with contextlib.ExitStack() as held:
        peers = held.enter_context(distributed.joined())
        if peers and distributed.rank() > 0:
            return _follow(stages[stage], workspace, peers)
        if not company:
            tell = held.enter_context(locks.hold(locks.training_lock(workspace), stage=stage))
            begin_alone(workspace)
        resolved = None
        if run is None:  # report missing parents or memory before a run is created
            resolved = _resolved(stages[stage], settings, workspace, stages)
            run = Run.create(workspace, stage, settings)
        started(run)
        if not company:
            tell(run=run.id)
        with logged(run.log_path) as log, _signals(run):
            _begin(run, company)
            with _closing(run, log):
                if run.record.parents:  # they were found in the first attempt
                    resolved = Resolved(settings, run.record.parents)
                    refuse_what_cannot_fit(stage, resolved, workspace)
                else:
                    resolved = resolved or _resolved(stages[stage], settings, workspace, stages)
                    run.change(parents=resolved.parents, config=to_dict(resolved.settings))
                _work(stages[stage], resolved.settings, run, workspace, peers, log, company)
    return run


def resume(
    workspace: Workspace,
    run_id: str,
    started: Callable[[Run], None] = lambda run: None,
    company: int = 0,
    stages: Stages = STAGES,
) -> Run:
    """Start a queued run, or continue a failed, cancelled or lost run from its last checkpoint.

    company: see `execute`.
    """
    run = Run.load(workspace, run_id)
    if distributed.rank() == 0:
        _check_resumable(workspace, run)
    stage = str(run.record.stage)
    settings = from_dict(stage, run.record.config, stages)
    return execute(stage, settings, workspace, run, started, company, stages)


def _resolved(row: Stage, settings: Any, workspace: Workspace, stages: Stages) -> Resolved:
    """The parents and the settings inherited from them. Raises UserError if a parent is missing or the memory
    will not suffice."""
    resolved = resolve_parents(row.name, settings, workspace, stages)
    refuse_what_cannot_fit(row.name, resolved, workspace)
    return resolved


def _work(
    row: Stage,
    settings: Any,
    run: Run,
    workspace: Workspace,
    peers: distributed.Peers | None,
    log: TextIO | None,
    company: int,
) -> None:
    """Call the stage, show its progress on the terminal, and finish the run with its results."""
    name = f"{row.name} {settings.precision}" if company else row.name
    line = ProgressLine(name, lambda: run.attempt, sys.stderr, log, bar=company < 2)
    run.on_log = line
    if peers:
        peers.lead(run, to_dict(settings))
    try:
        with distributed.blamed(peers):
            results = _call(row, settings, run, workspace)
    finally:
        line.close()
    _note_resources(run)
    if row.trains == "policy":
        write_experiment(workspace, run.record, results=results)
    run.finish(results)


def _check_resumable(workspace: Workspace, run: Run) -> None:
    run_id, status = run.id, read_run(workspace, run.id).status
    if status == "done":
        raise UserError(f"{run_id}: is already done; there is nothing to resume", code=Code.STATE)
    if status == "running":
        raise UserError(f"{run_id}: is running (process {run.attempt.pid})", code=Code.STATE)
    if status != "queued":
        withdraw_cancel(run.folder)


def _follow(row: Stage, workspace: Workspace, peers: distributed.Peers) -> Run:
    """Run the stage in a process that is not the leader: with the leader's run and settings, and without
    writing any file."""
    told = peers.wait_for_run()
    run = distributed.Follower(workspace, parse(told["record"], told["record"]["id"]))
    run.agree = distributed.anyone
    with _signals(run):
        try:
            with distributed.blamed(peers), contextlib.suppress(Cancelled):
                _call(row, row.settings(**told["settings"]), run, workspace)
        except Exception as error:
            if mendable := _mendable(error):
                raise mendable from error
            raise
        peers.wait_for_end()
    return run


def begin_alone(workspace: Workspace) -> None:
    """Remove what killed processes left unfinished; the caller holds the training lock.

    Raises UserError if a run is active. A stage of a killed `all` holds no lock but may still run.
    """
    for other in list_runs(workspace):
        if other.status == "running" and other.attempt:
            raise locks.busy(workspace, other.id, other.attempt.pid or 0)
    leftovers.remove_temporary(workspace)
    leftovers.remove_unfinished(workspace)


def _threads(run: Run, company: int) -> int:
    """The number of threads for torch: the one of the run's first attempt, because it determines how sums are
    rounded."""
    if run.record.attempts and (before := run.record.attempts[0].threads):
        return before
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() else max(1, physical_cores() // max(1, company))


def _call(row: Stage, settings: Any, run: Run, workspace: Workspace) -> dict[str, Any]:
    for path in checkpoints.broken(run.checkpoints_dir):
        run.event("broken checkpoint", f"{path.name} is incomplete or damaged and is skipped")
    for model in unsealed(workspace, run.record.parents):
        if not any(event.facts.get("model") == model for event in run.record.events):
            run.event(
                "no hashes", f"{model} was written by an earlier version and is used unchecked", model=model
            )
    if row.uses_models:
        quiet()
        importlib.import_module("models.fast.peft_import")  # before TRL imports PEFT
        from models.fast import heap  # imported here because it loads torch, as the stage does
        from pipeline.training.seeding import make_deterministic

        make_deterministic(settings.seed, run.attempt.threads or 0)
        heap.hold()
    return row.function()(settings, run, workspace)


def _begin(run: Run, company: int) -> None:
    """Start an attempt. If the disk is full, a queued run becomes failed, and a run that had ended before
    keeps its status."""
    try:
        run.start_attempt(_threads(run, company))
    except OSError as error:
        full = disk_full(error)
        if full is None:
            raise
        if not run.record.attempts:
            run.fail(str(full), full.code)
        raise full from error


@contextlib.contextmanager
def _closing(run: Run, log: TextIO | None) -> Iterator[None]:
    """Give the attempt its terminal state, whatever ends the stage, and write the reason to the log."""
    try:
        yield
    except Cancelled:
        with full_disk_ignored():  # the terminal state matters more than the figures
            _note_resources(run)
        run.cancel()
    except KeyboardInterrupt:
        run.cancel()
        raise
    except UserError as error:
        run.fail(str(error), error.code)
        _write(log, f"failed: {error}\n")
        raise
    except Exception as error:
        mendable = _mendable(error)
        if mendable and mendable.code == Code.DISK_FULL and run.stop_asked():
            run.cancel()  # the checkpoint before this one remains the last
            return
        if mendable:
            run.fail(str(mendable), mendable.code)
            _write(log, f"failed: {mendable}\n")
            raise mendable from error
        _write(log, traceback.format_exc())
        run.fail(f"{type(error).__name__}: {error}", Code.UNEXPECTED)
        raise


def _write(log: TextIO | None, text: str) -> None:
    """Write to the log only; the command line prints the error on the terminal."""
    if log:
        with full_disk_ignored():
            log.write(text)


def _mendable(error: Exception) -> UserError | None:
    """The UserError for an error that is not a bug (a full disk, too little memory), or None."""
    if full := disk_full(error):
        return full
    return UserError("out of memory", code=Code.OUT_OF_MEMORY) if is_out_of_memory(error) else None


def _note_resources(run: Run) -> None:
    torch: Any = sys.modules.get("torch")
    cuda = torch is not None and torch.cuda.is_initialized()
    known = run.record.resources
    if folder := _base_folder(run):
        run.change(more={**run.record.more, **origin_facts(folder)})
    run.note_resources(
        peak_rss_bytes=peak_rss_bytes(),
        peak_cuda_bytes=int(torch.cuda.max_memory_allocated()) if cuda else 0,
        adapter_bytes=known.adapter_bytes or adapter_bytes(run.model_dir),
        base_bytes=known.base_bytes or _base_bytes(run),
    )


def _base_bytes(run: Run) -> int:
    """Size of the base's weights on disk; a stage that knows their size in memory records that instead."""
    folder = _base_folder(run)
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) if folder else 0


def _base_folder(run: Run) -> Path | None:
    """The folder of the base that the stage has loaded, or None."""
    base = run.record.config.get("base_model")
    if not base or "models.loading" not in sys.modules:
        return None
    try:
        return sys.modules["models.loading"].resolve_base(base)
    except UserError:  # the base was moved during the run, which must not make the run fail
        return None


@contextlib.contextmanager
def _signals(run: Run) -> Iterator[None]:
    """Let SIGTERM and the first Ctrl-C ask the stage to save and stop; a second Ctrl-C ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: Any) -> None:
        if number == signal.SIGINT and run.stop_asked():
            raise KeyboardInterrupt
        run.request_stop()
        os.write(2, b"stopping after this step ...\n")  # print is not safe inside a handler

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
