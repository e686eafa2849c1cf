"""The program that the tests of several processes launch: command lines in sequence, with a fault on request.

    accelerate launch ... tests/launched.py [sharded] [fp32] [raise:1] sft --workspace DIR ... then ppo ...

fp32 loads bases in fp32, where rounding is small enough that only mistakes show as differences. raise:1,
kill:1 and stop:1 make process 1 raise, die or stop in the third minibatch of PPO. sharded lets FSDP and ZeRO
run on CPUs: torch and DeepSpeed support this, but accelerate requires GPUs.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models import loading  # noqa: E402
from pipeline.commands import cli
from pipeline.ppo import learner as ppo_learner
from pipeline.runs.record import Run  # noqa: E402
from pipeline.training import distributed, trained


def load_in_fp32() -> None:
    load = loading._load
    loading._load = lambda *args, **kwargs: load(*args, **kwargs).float()


def shard_on_cpus() -> None:
    import torch
    from accelerate import PartialState
    from accelerate.utils import DistributedType

    os.environ["DS_ACCELERATOR"] = "cpu"
    torch.distributed.init_process_group("gloo")
    begin = PartialState.__init__
    PartialState.__init__ = lambda self, cpu=False, **more: begin(self, False, **more)
    PartialState._prepare_backend = lambda self, *args, **more: ("gloo", DistributedType.MULTI_GPU)
    PartialState.set_device = lambda self: setattr(self, "device", torch.device("cpu"))
    distributed._check_sharding = lambda stage, settings: None


def check_that_it_is_split() -> None:
    """Under FSDP each process must hold only a part of every weight; equal results alone do not show that."""
    whole = trained.in_one_piece

    def checked(model, make):
        assert all(isinstance(p, trained.DTensor) for p in model.parameters())
        return whole(model, make)

    trained.in_one_piece = checked


def fail(how: str, rank: int) -> None:
    inner, done = ppo_learner.Learner._minibatch, []

    def minibatch(self, *args):
        done.append(0)
        if len(done) == 3 and distributed.rank() == rank:
            if how == "raise":
                raise ValueError("a bug in one process")
            os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGTERM)
        return inner(self, *args)

    ppo_learner.Learner._minibatch = minibatch


def main(arguments: list[str]) -> int:
    if arguments[0] == "sharded":
        shard_on_cpus()
        if distributed.sharding() == "FSDP":
            check_that_it_is_split()
        arguments = arguments[1:]
    if arguments[0] == "fp32":
        load_in_fp32()
        arguments = arguments[1:]
    if ":" in arguments[0]:
        how, rank = arguments[0].split(":")
        fail(how, int(rank))
        arguments = arguments[1:]
    if distributed.rank() > 0:
        Run.create = None  # only the main process may create a run; a second one that tries fails
    while arguments:
        end = arguments.index("then") if "then" in arguments else len(arguments)
        if code := cli.main(arguments[:end]):
            return code
        arguments = arguments[end + 1 :]
    return 0


if __name__ == "__main__":
    distributed.leave(main(sys.argv[1:]))
