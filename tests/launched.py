"""What the tests of several processes launch: the command line, on a base in fp32, with a fault where asked.

    accelerate launch ... tests/launched.py [FAULT:RANK] sft --workspace DIR ...
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models import loading  # noqa: E402
from pipeline import cli, ppo_learner  # noqa: E402
from pipeline.run_record import Run  # noqa: E402


def in_fp32() -> None:
    """Round so little that only mistakes differ."""
    load = loading._load
    loading._load = lambda *args, **kwargs: load(*args, **kwargs).float()


def fail(how: str, rank: str) -> None:
    """In one process: raise, or be killed, in the third minibatch; or ask everybody to stop after it."""
    inner, done = ppo_learner.Learner._minibatch, []

    def minibatch(self, *args):
        done.append(0)
        if len(done) == 3 and os.environ["RANK"] == rank:
            if how == "raise":
                raise ValueError("a bug in one process")
            os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGTERM)
        return inner(self, *args)

    ppo_learner.Learner._minibatch = minibatch


if __name__ == "__main__":
    in_fp32()
    arguments = sys.argv[1:]
    if ":" in arguments[0]:
        fail(*arguments.pop(0).split(":"))
    if os.environ.get("RANK", "0") != "0":
        Run.create = None  # a follower that makes a run would fail
    sys.exit(cli.main(arguments))
