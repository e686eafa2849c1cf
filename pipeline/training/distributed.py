"""Several processes of one run, as `accelerate launch` starts them: checks, collective calls, supervision.

Rank 0 is the leader: it alone takes the lock, creates the run and writes its files. The followers compute
their share of each batch from the leader's settings and write nothing. In a single process every function
here returns its argument, so that a stage is written once. A failure in one process ends all: each watches
the others, and the leader closes the record. The stages decide which process computes what. No torch at
import.

    accelerate launch --config_file pipeline/launch/ddp.yaml --num_processes 2 -m pipeline sft
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from data.errors import Code, UserError
from pipeline.runs import processes
from pipeline.runs.record import Run
from pipeline.runs.record_file import TERMINAL, to_json
from pipeline.settings.stages import STAGES

if TYPE_CHECKING:
    import torch

LOOK_EVERY = 0.5  # seconds between two looks at the other processes
LEAVING = 10.0  # seconds to wait for the end of the watching thread
PATIENCE = 5.0  # seconds in which the main thread can itself notice that another process failed


# -- the place of this process, from the launcher's environment


def process_count() -> int:
    """Number of processes of this run; 1 without a launcher."""
    return int(os.environ["WORLD_SIZE"]) if {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys() else 1


def rank() -> int:
    """This process's number, 0 for the leader."""
    return int(os.environ["RANK"]) if process_count() > 1 else 0


def sharding() -> str:
    """ "FSDP" or "ZeRO" if the launcher asks for it, else ""."""
    for name, key in (("FSDP", "ACCELERATE_USE_FSDP"), ("ZeRO", "ACCELERATE_USE_DEEPSPEED")):
        if os.environ.get(key, "").lower() == "true":
            return name
    return ""


# -- checks before anything is loaded


def check(stage: str, settings: Any) -> None:
    """Raise UserError for settings that cannot work in these processes."""
    if stage not in STAGES or not STAGES[stage].trains_adapter:
        return
    if sharding():
        _check_sharding(stage, settings)
    if process_count() == 1:
        return
    if getattr(settings, "split_base", False):
        raise UserError(
            f"{stage}: split_base distributes one process's base over all GPUs; start it without "
            "`accelerate launch`",
            code=Code.OPTION,
        )
    whole, name = settings.batch_size, "batch_size"
    if stage == "ppo":
        whole, name = whole // settings.num_minibatches, "batch_size / num_minibatches"
    share, left = divmod(whole, process_count())
    if left:
        near = max(1, share) * process_count() * (settings.batch_size // whole)
        raise UserError(
            f"{stage}: {name}={whole} cannot be divided among {process_count()} processes; batch_size={near} "
            "can (it counts the rows of all processes together)",
            code=Code.SETTING,
        )
    micro = micro_batch(settings.micro_batch_size, whole)
    if share % micro:
        best = max(d for d in range(1, micro + 1) if share % d == 0)
        raise UserError(
            f"{stage}: micro_batch_size={micro} does not divide the {share} rows that each of "
            f"{process_count()} processes gets of {name}={whole}; micro_batch_size={best} does",
            code=Code.SETTING,
        )


def micro_batch(size: int, whole: int) -> int:
    """Rows of a batch of `whole` rows that a process computes at once: at most its share."""
    return min(size, max(1, whole // process_count()))


def _check_sharding(stage: str, settings: Any) -> None:
    kind = sharding()
    if stage == "ppo":
        raise UserError(f"ppo does not run under {kind}; use pipeline/launch/ddp.yaml", code=Code.OPTION)
    if settings.precision != "bf16":
        raise UserError(
            f"{stage}: a base in {settings.precision} cannot be split by {kind}; "
            "use pipeline/launch/ddp.yaml, or precision bf16",
            code=Code.OPTION,
        )
    if kind == "ZeRO":
        if importlib.util.find_spec("deepspeed") is None:
            raise UserError(
                "ZeRO needs DeepSpeed, which is not installed: pip install deepspeed", code=Code.OPTION
            )
        if os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2") not in ("1", "2"):
            raise UserError(
                f"{stage} runs under ZeRO stages 1 and 2 only: use pipeline/launch/zero2.yaml",
                code=Code.OPTION,
            )
    elif os.environ.get("FSDP_VERSION", "1") != "2":
        raise UserError(
            f"{stage} runs under FSDP version 2 only: use pipeline/launch/fsdp.yaml", code=Code.OPTION
        )
    import torch

    if not torch.cuda.is_available():
        raise UserError(
            f"{kind} needs GPUs, and this machine has none; on CPUs use pipeline/launch/ddp.yaml",
            code=Code.OPTION,
        )


# -- collective calls; in a single process each returns its argument


def share(n: int) -> slice:
    """This process's slice of n rows; the slices of all processes, in their order, are all rows."""
    return slice(rank() * n // process_count(), (rank() + 1) * n // process_count())


def gathered(item: Any) -> list:
    """The items of all processes, in their order. Tensors travel on the CPU."""
    if process_count() == 1:
        return [item]
    import torch.distributed as dist

    items: list[Any] = [None] * process_count()
    dist.all_gather_object(items, item)
    return items


def rows_of_all(rows: torch.Tensor) -> torch.Tensor:
    """The rows of all processes, [n_0 + n_1 + ..., *]; a number counts as one row."""
    import torch

    parts = gathered(rows.detach().cpu())
    return torch.cat([part.reshape(-1, *rows.shape[1:]) for part in parts]).to(rows.device)


def from_leader(make: Callable[[], Any]) -> Any:
    """The leader's result of `make`, in every process; the others do not call it."""
    if process_count() == 1:
        return make()
    import torch.distributed as dist

    item = [make() if rank() == 0 else None]
    dist.broadcast_object_list(item, src=0)
    return item[0]


def leader_first(make: Callable[[], Any]) -> Any:
    """Each process's result of `make`; the followers call it after the leader has written its files."""
    if rank() == 0:
        made = make()
        gathered(None)
        return made
    gathered(None)
    return make()


def anyone(here: bool) -> bool:
    """Whether it is true in any process (a collective call)."""
    return any(gathered(bool(here)))


def add_up(tensors: list[torch.Tensor]) -> None:
    """Replace each tensor by its sum over all processes, in place; all have one type and one device."""
    if process_count() == 1 or not tensors:
        return
    import torch
    import torch.distributed as dist

    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


class Follower(Run):
    """The leader's run in the other processes: it can be read, and writing does nothing."""

    leads = False

    def write(self) -> None: ...

    def log(self, row: Any) -> None: ...

    def sample(self, row: Any) -> None: ...

    def phase(self, name: str, count: int | None = None) -> None: ...

    def event(self, kind: str, message: str, **facts: Any) -> None: ...

    def sync_logs(self) -> None: ...

    def cut_back(self, step: int, forget: Any = None) -> None: ...


# -- the life of a run in several processes


class Peers:
    """The other processes of this run, reached through a key-value store in the leader."""

    def __init__(self, store: Any):
        self.store = store
        self.run: Run | None = None
        self.over = threading.Event()
        me = [socket.gethostname(), os.getpid(), processes.identity(os.getpid())]
        store.set(f"process {rank()}", json.dumps(me))
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def lead(self, run: Run, settings: dict[str, Any]) -> None:
        """Tell the followers the run and its settings."""
        self.run = run
        run.agree = anyone
        run.change_attempt(processes=process_count())
        self.store.set("run", json.dumps({"record": to_json(run.record), "settings": settings}))

    def wait_for_run(self) -> dict[str, Any]:
        """{"record", "settings"} from the leader."""
        while not self._has("run"):
            time.sleep(0.1)
        return json.loads(self.store.get("run"))

    def wait_for_end(self) -> None:
        """Wait until the leader, which evaluates and writes alone at the end, has closed the record."""
        while not self._has("end"):
            time.sleep(0.1)

    def leave(self) -> None:
        """Stop watching. A thread that still uses the store when Python ends would crash the process."""
        self.over.set()
        self.watcher.join(LEAVING)

    def fail(self, error: BaseException) -> None:
        """Tell the other processes, once, why this one ends."""
        mendable = isinstance(error, UserError | KeyboardInterrupt)
        text = str(error) or "interrupted" if mendable else f"{type(error).__name__}: {error}"
        code = getattr(error, "code", Code.CANCELLED if mendable else Code.UNEXPECTED)
        with contextlib.suppress(RuntimeError, OSError):  # the leader, and its store with it, may be gone
            if not self._has("failure"):
                where = f"process {rank()} of {process_count()}: " if rank() else ""
                told = {"message": where + text, "mendable": mendable, "code": code}
                self.store.set("failure", json.dumps(told))

    def cause(self) -> Exception | None:
        """Why another process ended, if one did; called after a collective call failed here."""
        for _ in range(6):
            if trouble := self._trouble():
                if trouble["mendable"]:
                    return UserError(trouble["message"], code=Code(trouble["code"]))
                return RuntimeError(trouble["message"])
            time.sleep(LOOK_EVERY)
        return None

    def _has(self, key: str) -> bool:
        return self.store.check([key])

    def _trouble(self) -> dict[str, Any] | None:
        try:
            if self._has("failure"):
                return json.loads(self.store.get("failure"))
            for other in range(process_count()):
                if other == rank() or not self._has(f"process {other}") or self._has(f"over {other}"):
                    continue
                host, pid, started = json.loads(self.store.get(f"process {other}"))
                if host == socket.gethostname() and not processes.alive(pid, started):
                    message = f"process {other} of {process_count()} (pid {pid}) was killed"
                    return {"message": message, "mendable": True, "code": Code.LOST}
        except (RuntimeError, OSError):
            return {"message": "the leading process has ended", "mendable": True, "code": Code.LOST}
        return None

    def _watch(self) -> None:
        """Watch the other processes in a separate thread, because a main thread that waits in a collective
        call for a process that has died never returns."""
        while not self.over.wait(LOOK_EVERY):
            trouble = self._trouble()
            if trouble is None or self.over.wait(PATIENCE):
                continue
            if self.run is not None and self.run.record.status not in TERMINAL:
                self.run.fail(trouble["message"])
                print(f"error: {trouble['message']}", file=sys.stderr)
                print(self.run.folder / "run.json", flush=True)
            os._exit(2 if trouble["mendable"] else 1)


@contextlib.contextmanager
def joined() -> Iterator[Peers | None]:
    """The other processes of this run, for the duration of the context; None in a single process. An error in
    the context is reported to the other processes."""
    if process_count() == 1:
        yield None
        return
    import torch
    import torch.distributed as dist
    from accelerate import PartialState

    PartialState(cpu=not torch.cuda.is_available())  # like the trainers: gloo on CPUs, NCCL on GPUs
    store = _store(dist)
    peers = Peers(store)
    try:
        yield peers
        store.set("end" if rank() == 0 else f"over {rank()}", "1")
    except BaseException as error:
        peers.fail(error)
        raise
    finally:
        peers.leave()
    if rank() == 0:  # the store ends with this process, so the others must finish using it first
        _wait_for_the_others(store)


def leave(code: int) -> None:
    """End this process with an exit code. After a failure it does not wait for the process group, which may
    never shut down once members are gone."""
    if code and process_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@contextlib.contextmanager
def blamed(peers: Peers | None) -> Iterator[None]:
    """If a collective call fails because another process ended, raise that process's error instead."""
    try:
        yield
    except RuntimeError as error:
        cause = peers.cause() if peers else None
        if cause:
            raise cause from error
        raise


def check_command(name: str) -> None:
    """Raise UserError for a command that a launcher must not start in several processes."""
    if process_count() > 1 and name not in (*(row.name for row in STAGES if row.trains_adapter), "resume"):
        raise UserError(f"{name} runs in one process; start it without `accelerate launch`", code=Code.OPTION)


def let_the_leader_speak() -> None:
    """Give the leader time to report an error of all processes; the launcher then ends the others."""
    if rank() > 0:
        time.sleep(2.0)


def _store(dist: Any) -> Any:
    """A separate key-value store in the leader."""
    address = os.environ["MASTER_ADDR"]
    found = [dist.TCPStore(address, 0, is_master=True, wait_for_workers=False)] if rank() == 0 else []
    port = from_leader(lambda: found[0].port)
    return found[0] if found else dist.TCPStore(address, port, is_master=False, wait_for_workers=False)


def _wait_for_the_others(store: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not store.check(
        [f"over {other}" for other in range(1, process_count())]
    ):
        time.sleep(0.05)
