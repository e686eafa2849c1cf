"""A child process for the tests of jobs: it writes real records and handles real signals, without training.

python tests/fake_stage.py WORKSPACE RUN          the run's name selects its behaviour
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from data.workspace import Workspace
from pipeline.runs import locks
from pipeline.runs.record import Cancelled, Run

STEPS = 6000  # five minutes: nothing that a test waits for takes so long


def main(root, run_id):
    workspace = Workspace(Path(root))
    run = Run.load(workspace, run_id)
    how = run.record.config["name"]
    if how == "stillborn":
        print("ImportError: no such module")
        return 1
    with locks.hold(locks.training_lock(workspace), run=run_id) as tell:
        tell(run=run_id)
        if how == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            subprocess.Popen([sys.executable, "-c", GRANDCHILD])  # ignores SIGTERM as well
        else:
            signal.signal(signal.SIGTERM, lambda *_: run.request_stop())
        run.start_attempt()
        run.set_total(STEPS)
        try:
            for step in range(1, 3 if how == "short" else STEPS):
                run.log({"step": step})
                if how == "fails":
                    raise ValueError("broken")
                if how == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(0.05)
                if how != "deaf" and run.should_stop():
                    raise Cancelled
        except Cancelled:
            run.cancel()
        except ValueError as error:
            run.fail(str(error))
            return 1
        else:
            run.finish({"answer": 42})
    return 0


GRANDCHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
