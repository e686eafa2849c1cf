"""Several processes of one run, as `accelerate launch` starts them: what they may do, share and tell.

Rank 0 leads: it alone takes the lock, makes the run and writes its files. The others follow: they do their
share of each batch from the leader's settings and write nothing. Alone, every function here is the identity,
so that a stage is written once. A failure anywhere ends all: each process watches the others, and the leader
closes the record. Which process computes what is the business of the stages. No torch at import.

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

from data.errors import UserError
from pipeline.runs import processes
from pipeline.runs.record import TERMINAL, Run

if TYPE_CHECKING:
    import torch

STAGES = ("sft", "reward", "ppo")
LOOK_EVERY = 0.5  # seconds between two looks at the other processes
LEAVING = 10.0  # seconds that a last question may take
PATIENCE = 5.0  # seconds for the main thread to notice by itself that another process failed


# -- who we are, from the launcher's environment


def world() -> int:
    """Processes of this run; 1 where no launcher started us."""
    return int(os.environ["WORLD_SIZE"]) if {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys() else 1


def rank() -> int:
    """This process's place, 0 for the leader."""
    return int(os.environ["RANK"]) if world() > 1 else 0


def sharding() -> str:
    """ "FSDP" or "ZeRO" where the launcher asks for it, else ""."""
    for name, key in (("FSDP", "ACCELERATE_USE_FSDP"), ("ZeRO", "ACCELERATE_USE_DEEPSPEED")):
        if os.environ.get(key, "").lower() == "true":
            return name
    return ""


# -- what cannot work is said before anything is loaded


def check(stage: str, settings: Any) -> None:
    """UserError for what cannot work in these processes."""
    if stage not in STAGES:
        return
    if sharding():
        _check_sharding(stage, settings)
    if world() == 1:
        return
    if getattr(settings, "split_base", False):
        raise UserError(
            f"{stage}: split_base deals one process's base to all GPUs: start it without `accelerate launch`"
        )
    whole, name = settings.batch_size, "batch_size"
    if stage == "ppo":
        whole, name = whole // settings.num_minibatches, "batch_size / num_minibatches"
    share, left = divmod(whole, world())
    if left:
        near = max(1, share) * world() * (settings.batch_size // whole)
        raise UserError(
            f"{stage}: {name}={whole} cannot be dealt to {world()} processes; batch_size={near} can "
            "(it counts the rows of all processes together)"
        )
    micro = micro_batch(settings.micro_batch_size, whole)
    if share % micro:
        best = max(d for d in range(1, micro + 1) if share % d == 0)
        raise UserError(
            f"{stage}: micro_batch_size={micro} does not divide the {share} rows that each of {world()} "
            f"processes gets of {name}={whole}; micro_batch_size={best} does"
        )


def micro_batch(wished: int, whole: int) -> int:
    """Rows that a process computes at once of a batch of `whole` rows: never more than its share."""
    return min(wished, max(1, whole // world()))


def _check_sharding(stage: str, settings: Any) -> None:
    kind = sharding()
    if stage == "ppo":
        raise UserError(f"ppo does not run under {kind}: use pipeline/launch/ddp.yaml")
    if settings.precision != "bf16":
        raise UserError(
            f"{stage}: a base in {settings.precision} cannot be split by {kind}; "
            "use pipeline/launch/ddp.yaml, or precision bf16"
        )
    if kind == "ZeRO":
        if importlib.util.find_spec("deepspeed") is None:
            raise UserError("ZeRO needs DeepSpeed, which is not installed: pip install deepspeed")
        if os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2") not in ("1", "2"):
            raise UserError(f"{stage} runs under ZeRO stages 1 and 2 only: use pipeline/launch/zero2.yaml")
    elif os.environ.get("FSDP_VERSION", "1") != "2":
        raise UserError(f"{stage} runs under FSDP version 2 only: use pipeline/launch/fsdp.yaml")
    import torch

    if not torch.cuda.is_available():
        raise UserError(f"{kind} needs GPUs, and there is none here; on CPUs use pipeline/launch/ddp.yaml")


# -- what the stages share; alone, each of these gives back what it is given


def share(n: int) -> slice:
    """This process's part of n rows in order; the parts of all processes in order are the whole."""
    return slice(rank() * n // world(), (rank() + 1) * n // world())


def gathered(item: Any) -> list:
    """What each process has, in their order. Tensors travel on the CPU."""
    if world() == 1:
        return [item]
    import torch.distributed as dist

    items: list[Any] = [None] * world()
    dist.all_gather_object(items, item)
    return items


def rows_of_all(rows: torch.Tensor) -> torch.Tensor:
    """The rows of all processes, [n_0 + n_1 + ..., *]; a number counts as one row."""
    import torch

    parts = gathered(rows.detach().cpu())
    return torch.cat([part.reshape(-1, *rows.shape[1:]) for part in parts]).to(rows.device)


def from_leader(make: Callable[[], Any]) -> Any:
    """What `make` gives in the leader, in every process; the others do not call it."""
    if world() == 1:
        return make()
    import torch.distributed as dist

    item = [make() if rank() == 0 else None]
    dist.broadcast_object_list(item, src=0)
    return item[0]


def leader_first(make: Callable[[], Any]) -> Any:
    """What `make` gives in each process; the others begin when the leader has left its files."""
    if rank() == 0:
        made = make()
        gathered(None)
        return made
    gathered(None)
    return make()


def anyone(wish: bool) -> bool:
    """Whether any process says so; all of them have to ask."""
    return any(gathered(bool(wish)))


def add_up(tensors: list[torch.Tensor]) -> None:
    """Put the sum over all processes into each tensor, in place; all are of one type and on one device."""
    if world() == 1 or not tensors:
        return
    import torch
    import torch.distributed as dist

    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


class Follower(Run):
    """The leader's run as the other processes see it: everything to read, nothing to write."""

    leads = False

    def write(self) -> None: ...

    def log(self, row: Any) -> None: ...

    def sample(self, row: Any) -> None: ...

    def event(self, kind: str, message: str, **facts: Any) -> None: ...

    def sync_logs(self) -> None: ...

    def cut_back(self, step: int, forget: Any = None) -> None: ...


# -- the life of a run in several processes


class Peers:
    """The other processes of this run, over a key-value store that the leader holds."""

    def __init__(self, store: Any):
        self.store, self.run = store, None
        self.over = threading.Event()
        me = [socket.gethostname(), os.getpid(), processes.identity(os.getpid())]
        store.set(f"process {rank()}", json.dumps(me))
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def lead(self, run: Run, settings: dict[str, Any]) -> None:
        """Let the followers in: the run is there, and this is what it is about."""
        self.run = run
        run.agree = anyone
        run.record["attempts"][-1]["processes"] = world()
        run.write()
        self.store.set("run", json.dumps({"record": run.record, "settings": settings}))

    def wait_for_run(self) -> dict[str, Any]:
        """{"record", "settings"} from the leader."""
        while not self._has("run"):
            time.sleep(0.1)
        return json.loads(self.store.get("run"))

    def wait_for_end(self) -> None:
        """Until the leader has closed the record; it evaluates and writes alone at the end."""
        while not self._has("end"):
            time.sleep(0.1)

    def leave(self) -> None:
        """Watch no longer. A thread that still asks the store when Python ends takes the process down."""
        self.over.set()
        self.watcher.join(LEAVING)

    def fail(self, error: BaseException) -> None:
        """Tell the others, once, why this process ends."""
        mendable = isinstance(error, UserError | KeyboardInterrupt)
        text = str(error) or "interrupted" if mendable else f"{type(error).__name__}: {error}"
        with contextlib.suppress(RuntimeError, OSError):  # the leader, and its store with it, may be gone
            if not self._has("failure"):
                where = f"process {rank()} of {world()}: " if rank() else ""
                self.store.set("failure", json.dumps({"message": where + text, "mendable": mendable}))

    def cause(self) -> Exception | None:
        """Why another process ended, if one did, a moment after a collective call has failed here."""
        for _ in range(6):
            if trouble := self._trouble():
                return (UserError if trouble["mendable"] else RuntimeError)(trouble["message"])
            time.sleep(LOOK_EVERY)
        return None

    def _has(self, key: str) -> bool:
        return self.store.check([key])

    def _trouble(self) -> dict[str, Any] | None:
        try:
            if self._has("failure"):
                return json.loads(self.store.get("failure"))
            for other in range(world()):
                if other == rank() or not self._has(f"process {other}") or self._has(f"over {other}"):
                    continue
                host, pid, started = json.loads(self.store.get(f"process {other}"))
                if host == socket.gethostname() and not processes.alive(pid, started):
                    message = f"process {other} of {world()} (pid {pid}) was killed; `resume` goes on"
                    return {"message": message, "mendable": True}
        except (RuntimeError, OSError):
            return {"message": "the leading process is gone", "mendable": True}
        return None

    def _watch(self) -> None:
        """In a thread of its own: a main thread that waits for a dead process in a collective call does not
        come back to hear of it."""
        while not self.over.wait(LOOK_EVERY):
            trouble = self._trouble()
            if trouble is None or self.over.wait(PATIENCE):
                continue
            if self.run is not None and self.run.record["status"] not in TERMINAL:
                self.run.fail(trouble["message"])
                print(f"error: {trouble['message']}", file=sys.stderr)
                print(self.run.folder / "run.json", flush=True)
            os._exit(2 if trouble["mendable"] else 1)


@contextlib.contextmanager
def joined() -> Iterator[Peers | None]:
    """The other processes of this run while it goes on; None alone. An error that leaves is told to all."""
    if world() == 1:
        yield None
        return
    import torch
    import torch.distributed as dist
    from accelerate import PartialState

    PartialState(cpu=not torch.cuda.is_available())  # as the trainers will: gloo on CPUs, NCCL on GPUs
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
    if rank() == 0:  # the store goes with this process: the others have to be done with it
        _wait_for_the_others(store)


def leave(code: int) -> None:
    """End this process with an exit code. A process group whose members are gone may never come down: after
    a failure nothing waits for it."""
    if code and world() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@contextlib.contextmanager
def blamed(peers: Peers | None) -> Iterator[None]:
    """Where a collective call fails because another process is gone, that is what is said."""
    try:
        yield
    except RuntimeError as error:
        cause = peers.cause() if peers else None
        if cause:
            raise cause from error
        raise


def check_command(name: str) -> None:
    """UserError for a command of the command line that a launcher may not start in several processes."""
    if world() > 1 and name not in (*STAGES, "resume"):
        raise UserError(f"{name} runs in one process: start it without `accelerate launch`")


def let_the_leader_speak() -> None:
    """What all processes find wrong is said once: the launcher ends the others when the leader ends."""
    if rank() > 0:
        time.sleep(2.0)


def _store(dist: Any) -> Any:
    """A key-value store of our own in the leader."""
    address = os.environ["MASTER_ADDR"]
    found = [dist.TCPStore(address, 0, is_master=True, wait_for_workers=False)] if rank() == 0 else []
    port = from_leader(lambda: found[0].port)
    return found[0] if found else dist.TCPStore(address, port, is_master=False, wait_for_workers=False)


def _wait_for_the_others(store: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not store.check([f"over {other}" for other in range(1, world())]):
        time.sleep(0.05)
