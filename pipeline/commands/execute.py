"""Runs one stage in this process, from its parents to its terminal state.

`execute` finds the parents, takes the workspace's training lock, opens the run's record, seeds everything,
calls the stage's function and closes the record, whatever happens. The stages themselves are in `prepare`,
`pretrain`, `sft`, `reward`, `ppo` and `evaluate`, each imported only when it is its turn.

    run = execute("sft", build("sft"), workspace)      # run.record["status"]: done or cancelled
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from data.errors import UserError
from data.workspace import Workspace
from evaluation.resources import adapter_bytes, peak_rss_bytes
from pipeline.memory.estimate import refuse_what_cannot_fit
from pipeline.runs import checkpoints, leftovers, locks
from pipeline.runs.experiment import write_experiment
from pipeline.runs.hardware import physical_cores
from pipeline.runs.lineage import resolve_parents
from pipeline.runs.progress import Progress, logged
from pipeline.runs.quiet import quiet
from pipeline.runs.record import Cancelled, Run, list_runs, read_run, withdraw_wish
from pipeline.runs.seals import unsealed
from pipeline.settings.layers import from_dict, to_dict
from pipeline.training import distributed
from pipeline.training.recovery import is_out_of_memory

_FUNCTIONS = {
    "prepare": ("pipeline.stages.prepare", "prepare"),
    "pretrain": ("pipeline.stages.pretrain", "pretrain"),
    "sft": ("pipeline.stages.sft", "train"),
    "reward": ("pipeline.stages.reward", "train"),
    "ppo": ("pipeline.ppo.loop", "train"),
    "evaluate": ("pipeline.stages.evaluate", "evaluate"),
}


def execute(
    stage: str,
    settings: Any,
    workspace: Workspace,
    run: Run | None = None,
    started: Callable[[Run], None] = lambda run: None,
    company: int = 0,
) -> Run:
    """Run a stage to its end; `run` is an existing run (queued, or to be resumed), None makes a new one.

    company: 0 for a stage by itself. `all`, which holds the training lock, gives the number of stages that it
    runs side by side, this one included; they share the cores.

    Returns the run, done or cancelled. Raises UserError for what the user can mend (the run, if there is one
    by then, is "failed") and any other exception for a bug (its traceback is in the run's log). `started` is
    called once the run's folder is there.
    """
    workspace.create()
    distributed.check(stage, settings)
    with contextlib.ExitStack() as held:
        peers = held.enter_context(distributed.joined())
        if distributed.rank() > 0:
            return _follow(stage, workspace, peers)
        if not company:
            tell = held.enter_context(locks.hold(locks.training_lock(workspace), stage=stage))
            _refuse_beside(workspace)
            leftovers.remove_temporary(workspace)
            leftovers.remove_unfinished(workspace)
        if not (waited := run is not None):
            # What is missing, or too large, is told before there is a run.
            parents, whole = resolve_parents(stage, settings, workspace)
            refuse_what_cannot_fit(stage, whole, workspace, parents.get("dataset", ""))
            run = Run.create(workspace, stage, settings)
        started(run)
        if not company:
            tell(run=run.id)
        threads = _threads(run, company)
        with logged(run.log_path) as log, _signals(run):
            run.start_attempt(threads)
            with _closing(run, log):
                if not run.record["parents"]:  # else they were found when the run began
                    parents, settings = resolve_parents(stage, settings, workspace)
                    run.record |= {"parents": parents, "config": to_dict(settings)}
                    run.write()
                if waited:
                    dataset = run.record["parents"].get("dataset", "")
                    refuse_what_cannot_fit(stage, settings, workspace, dataset)
                name = f"{stage} {settings.precision}" if company else stage
                progress = Progress(
                    name, lambda: run.record["attempts"][-1], sys.stderr, log, bar=company < 2
                )
                run.on_log = progress
                if peers:
                    peers.lead(run, to_dict(settings))
                try:
                    with distributed.blamed(peers):
                        results = _call(stage, settings, run, workspace)
                finally:
                    progress.close()
                _note_resources(run)
                if stage == "ppo":
                    write_experiment(workspace, run.record, results=results)
                run.finish(results)
    return run


def resume(workspace: Workspace, run_id: str, started: Callable[[Run], None] = lambda run: None) -> Run:
    """Start a queued run, or go on with one that failed, was cancelled or lost, from its last checkpoint."""
    run = Run.load(workspace, run_id)
    if distributed.rank() == 0:
        _check_resumable(workspace, run)
    settings = from_dict(run.record["stage"], run.record["config"])
    return execute(run.record["stage"], settings, workspace, run, started)


def _check_resumable(workspace: Workspace, run: Run) -> None:
    run_id, status = run.id, read_run(workspace, run.id)["status"]
    if status == "done":
        raise UserError(f"{run_id}: is done already; there is nothing to resume")
    if status == "running":
        raise UserError(f"{run_id}: is running (process {run.record['attempts'][-1]['pid']})")
    if status != "queued":
        withdraw_wish(run.folder)


def _follow(stage: str, workspace: Workspace, peers: distributed.Peers) -> Run:
    """The stage in a process that does not lead: the leader's run and settings, and nothing written."""
    told = peers.wait_for_run()
    run = distributed.Follower(workspace, told["record"])
    run.agree = distributed.anyone
    with _signals(run):
        try:
            with distributed.blamed(peers), contextlib.suppress(Cancelled):
                _call(stage, from_dict(stage, told["settings"]), run, workspace)
        except Exception as error:
            if reason := _mendable(error):
                raise UserError(reason) from error
            raise
        peers.wait_for_end()
    return run


def _refuse_beside(workspace: Workspace) -> None:
    """A stage of a killed `all` may still be going on: it holds no lock, but it is there."""
    for other in list_runs(workspace):
        if other["status"] == "running":
            raise UserError(locks.busy(workspace, other["id"], other["attempts"][-1]["pid"]))


def _threads(run: Run, company: int) -> int:
    """Threads for torch: those of the run's first attempt, as their number decides how sums are rounded."""
    if run.record["attempts"] and (before := run.record["attempts"][0].get("threads")):
        return before
    wished = os.environ.get("OMP_NUM_THREADS", "")
    return int(wished) if wished.isdigit() else max(1, physical_cores() // max(1, company))


def _call(stage: str, settings: Any, run: Run, workspace: Workspace) -> dict[str, Any]:
    for path in checkpoints.broken(run.checkpoints_dir):
        run.event("broken checkpoint", f"{path.name} is not whole and is passed over")
    for path in unsealed(workspace, run.record["parents"]):
        if not any(event.get("model") == path for event in run.record["events"]):
            run.event("no hashes", f"{path} is of an earlier version and is used unchecked", model=path)
    if stage != "prepare":
        quiet()
        from models.fast import heap  # it loads torch, like the stage itself
        from pipeline.training.seeding import make_deterministic

        make_deterministic(settings.seed, run.record["attempts"][-1]["threads"])
        heap.hold()
    module, function = _FUNCTIONS[stage]
    return getattr(importlib.import_module(module), function)(settings, run, workspace)


@contextlib.contextmanager
def _closing(run: Run, log: TextIO | None) -> Iterator[None]:
    """Whatever ends the stage, the attempt gets its terminal state, and the log says why."""
    try:
        yield
    except Cancelled:
        _note_resources(run)
        run.cancel()
    except KeyboardInterrupt:
        run.cancel()
        raise
    except UserError as error:
        run.fail(str(error))
        _write(log, f"failed: {error}\n")
        raise
    except Exception as error:
        reason = _mendable(error)
        _write(log, traceback.format_exc())
        run.fail(reason or f"{type(error).__name__}: {error}")
        if reason:
            raise UserError(reason) from error
        raise


def _write(log: TextIO | None, text: str) -> None:
    """To the log only: the command line prints to the terminal what belongs there."""
    if log:
        log.write(text)


def _mendable(error: Exception) -> str | None:
    """What the user can do about an error that is no bug of ours: a full disk, too little memory."""
    text = str(error)
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in text:
        return "disk full: make room; the last checkpoint is whole, `resume` goes on from it"
    if is_out_of_memory(error):
        return "out of memory: halve micro_batch_size or set gradient_checkpointing=true, and start again"
    return None


def _note_resources(run: Run) -> None:
    torch = sys.modules.get("torch")
    cuda = torch is not None and torch.cuda.is_initialized()
    known = run.record["resources"]
    run.note_resources(
        peak_rss_bytes=peak_rss_bytes(),
        peak_cuda_bytes=int(torch.cuda.max_memory_allocated()) if cuda else 0,
        adapter_bytes=known.get("adapter_bytes") or adapter_bytes(run.model_dir),
        base_bytes=known.get("base_bytes") or _base_bytes(run),
    )


def _base_bytes(run: Run) -> int:
    """Size of the base's weights on disk; a stage that knows its size in memory notes that instead."""
    base = run.record["config"].get("base_model")
    if not base or "models.loading" not in sys.modules:
        return 0
    try:
        folder = sys.modules["models.loading"].resolve_base(base)
    except UserError:  # moved away while the run was going on: no reason to fail it
        return 0
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


@contextlib.contextmanager
def _signals(run: Run) -> Iterator[None]:
    """SIGTERM and the first Ctrl-C ask the stage to save and stop; a second Ctrl-C ends it at once."""
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
