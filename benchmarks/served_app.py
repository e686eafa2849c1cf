"""The real page in a process of its own, for the long trials: started, killed, started again, watched."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent


class ServedApp:
    """`app.py` on a workspace, on a port that stays the same over restarts.

    temporary: the folder for its temporary files; None = the system's.
    """

    def __init__(self, workspace: Path, log: Path, temporary: Path | None = None):
        self.environment = os.environ | ({"TMPDIR": str(temporary)} if temporary else {})
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.workspace, self.log = workspace, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, patience: float = 120.0) -> float:
        """Start it and wait until it answers; returns the seconds that took."""
        begun = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py", "--workspace", str(self.workspace), "--port", str(self.port)],
                cwd=ROOT, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() - begun > patience:
                raise SystemExit(f"the app did not start, see {self.log}")
            time.sleep(0.1)
        return time.monotonic() - begun

    def answers(self) -> bool:
        try:
            return httpx.get(self.address, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """SIGKILL to the app alone; its inference process notices that by itself."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it in order."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)

    def family(self) -> list[psutil.Process]:
        """The app and every process that it started, trainings included."""
        assert self.process is not None
        try:
            mine = psutil.Process(self.process.pid)
            return [mine, *mine.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
