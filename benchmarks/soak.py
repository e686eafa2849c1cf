"""Half an hour of everything at once, and whether memory, handles, processes and temporary files stay flat.

python -m benchmarks.soak --json soak.json

Short trainings one after another by the command line, which the page shows; raters who ask and vote by the
HTTP API; and pages in Chromium that are opened, looked at and closed (without Chromium: fetched by HTTP, and
the verdict says so). Every ten seconds the app's memory, file handles and threads, its processes and the temporary files are counted. Flat
means: from the end of the warm-up to the end, a straight line through the values rises by less than what
`BOUNDS` allows. The warm-up is longer than the 15 minutes for which the server keeps the session of a page that
fell silent (`ui/sessions.py`); before that, memory has to rise.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.served_app import ROOT, ServedApp
from data.files import write_json
from data.workspace import Workspace

# Stage, precision and settings. A training of the page gives way to everything else and would never end here.
TRAININGS = (
    ("prepare", "bf16", ("train_rows=600", "validation_rows=40", "test_rows=80")),
    ("sft", "bf16", ("max_steps=10", "eval_steps=10")),
    *(("reward", p, ("max_steps=10", "eval_steps=10", "save_steps=5")) for p in ("bf16", "int8", "int4")),
)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
# The rise from the end of the warm-up to the end of the soak that still counts as flat.
BOUNDS = {"app_mb": 40.0, "handles": 8.0, "threads": 8.0, "processes": 0.9, "temporary_files": 0.9}
QUESTIONS = ("What is the capital of France?", "How do I boil an egg?", "Thank you!", "What is 3 plus 4?")


@dataclass(frozen=True)
class Sample:
    """What was counted at a moment. app_mb: resident memory of the app; all_mb: of it and its children.
    processes: the app, its inference process and what helps it; without trainings and their children."""

    minute: float
    app_mb: float
    all_mb: float
    handles: int
    threads: int
    processes: int
    trainings: int
    temporary_files: int


def sample(app: ServedApp, begun: float, temporary: Path) -> Sample:
    assert app.process is not None
    mine, *others = app.family()
    memory, trainings, served = mine.memory_info().rss, 0, 1
    for process in others:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            memory += process.memory_info().rss
            is_training = _trains(process)
            trainings, served = trainings + is_training, served + (not is_training)
    unfinished = [*app.workspace.rglob(".*.tmp"), *app.workspace.rglob(".staging-*"), *temporary.rglob("*")]
    left = sum(1 for path in unfinished if _is_old(path))
    return Sample(
        (time.monotonic() - begun) / 60, mine.memory_info().rss / 1e6, memory / 1e6, mine.num_fds(),
        mine.num_threads(), served, trainings, left,
    )  # fmt: skip


def _trains(process: psutil.Process) -> bool:
    """Whether a process belongs to a run: itself or a parent of it is `python -m pipeline resume ...`."""
    line = [process, *process.parents()]
    return any("-m pipeline" in " ".join(one.cmdline()) for one in line)


def _is_old(path: Path) -> bool:
    """A temporary file of more than half a minute; younger ones are in use."""
    try:
        return path.is_file() and time.time() - path.stat().st_mtime > 30
    except OSError:
        return False


class Load:
    """What goes on meanwhile, each in a thread of its own; counts what was done and what went wrong."""

    def __init__(self, app: ServedApp):
        self.app, self.stop = app, threading.Event()
        self.done: Counter[str] = Counter()
        self.troubles: list[str] = []

    def call(self, client: httpx.Client, name: str, *data: Any) -> Any:
        """The result of a public endpoint. Raises ValueError where it answers with an error."""
        url = f"/gradio_api/call/{name}"
        event = client.post(url, json={"data": list(data)}).raise_for_status().json()["event_id"]
        answer = client.get(f"{url}/{event}").text
        if "event: complete" not in answer:
            raise ValueError(f"{name}: {answer[-200:]}")
        return json.loads(answer.rpartition("data: ")[2])[0]

    def train(self, _: httpx.Client) -> None:
        """Start the next training as soon as the one before has ended."""
        for stage, precision, settings in itertools.cycle(TRAININGS):
            words = ["--preset", "tiny", "--precision", precision, "--workspace", str(self.app.workspace)]
            words += [word for setting in settings for word in ("--set", setting)]
            training = subprocess.Popen(
                [sys.executable, "-m", "pipeline", stage, *words], cwd=ROOT, env=self.app.environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            while training.poll() is None:
                if self.stop.wait(1):
                    training.send_signal(signal.SIGINT)
                    training.wait(120)
                    return
            self.done[f"{stage} {'done' if training.returncode == 0 else 'failed'}"] += 1
            if training.returncode:
                self.troubles.append(f"{stage} {precision}: exit code {training.returncode}")

    def rate(self, client: httpx.Client) -> None:
        """Ask and vote."""
        for number in itertools.count():
            if self.stop.wait(3):
                return
            answer = self.call(
                client, "ask", QUESTIONS[number % len(QUESTIONS)], threading.current_thread().name
            )
            self.call(client, "vote", answer["round"], "B>A=D>C", "", "")
            self.done["votes"] += 1

    def fetch(self, client: httpx.Client) -> None:
        """Open the page by HTTP, without a browser."""
        while not self.stop.wait(5):
            client.get("/").raise_for_status()
            self.done["pages by HTTP"] += 1

    def look(self, client: httpx.Client) -> None:
        """Open the page in Chromium, look at two tabs for some seconds, close it."""
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
            for number in itertools.count():
                if self.stop.wait(5):
                    break
                page = browser.new_context(locale=("en-US", "zh-CN")[number % 2]).new_page()
                page.set_default_timeout(120_000)
                page.on("pageerror", lambda error: self.troubles.append(f"page: {error}"))
                page.goto(self.app.address)
                page.wait_for_selector("#pipeline .chip")
                page.get_by_role("tab").nth(1 + number % 4).click()
                self.stop.wait(8)
                page.context.close()
                self.done["pages in Chromium"] += 1
            browser.close()

    def thread(self, work: Callable[[httpx.Client], None], name: str) -> threading.Thread:
        def kept_up() -> None:
            while not self.stop.is_set():
                with httpx.Client(base_url=self.app.address, timeout=120) as client:
                    try:
                        work(client)
                    except Exception as error:  # counted and shown: the load itself must go on
                        self.troubles.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
                        self.stop.wait(5)

        started = threading.Thread(target=kept_up, name=name)
        started.start()
        return started


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def rises(samples: list[Sample], warm_up: float) -> dict[str, float]:
    """How much a straight line through each value rises after the warm-up (minutes)."""
    kept = [one for one in samples if one.minute >= warm_up]
    minutes = np.array([one.minute for one in kept])
    found = {}
    for name in BOUNDS:
        values = np.array([float(getattr(one, name)) for one in kept])
        found[name] = float(np.polyfit(minutes, values, 1)[0] * (minutes[-1] - minutes[0]))
    return found


def told(samples: list[Sample], warm_up: float) -> str:
    """The table: quarters of the time after the warm-up, the rise, the bound and the verdict."""
    kept = [one for one in samples if one.minute >= warm_up]
    quarters = [kept[k * len(kept) // 4 : (k + 1) * len(kept) // 4] for k in range(4)]
    lines = ["| | quarter 1 | 2 | 3 | 4 | rise | allowed | flat |", "|---|---|---|---|---|---|---|---|"]
    for name, rise in rises(samples, warm_up).items():
        means = " | ".join(f"{np.mean([getattr(one, name) for one in part]):.1f}" for part in quarters)
        flat = "yes" if rise < BOUNDS[name] else "NO"
        lines.append(f"| {name.replace('_', ' ')} | {means} | {rise:+.1f} | {BOUNDS[name]} | {flat} |")
    return "\n".join(lines)


def soak(app: ServedApp, temporary: Path, minutes: float, raters: int) -> tuple[list[Sample], Load]:
    load, begun, samples = Load(app), time.monotonic(), []
    jobs = [(load.train, "trainings"), (load.look if chromium() else load.fetch, "pages")]
    jobs += [(load.rate, f"rater {number}") for number in range(raters)]
    threads = [load.thread(work, name) for work, name in jobs]
    try:
        while time.monotonic() - begun < 60 * minutes:
            samples.append(sample(app, begun, temporary))
            time.sleep(10)
    finally:
        load.stop.set()
        for thread in threads:
            thread.join(180)
    return samples, load


def main() -> int:
    """0 where everything is flat and nothing went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=46.0)
    parser.add_argument("--warm-up", type=float, default=16.0, help="minutes that do not count")
    parser.add_argument("--raters", type=int, default=4)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgerlhf-soak-") as place:
        temporary = Path(place) / "tmp"
        temporary.mkdir()
        app = ServedApp(
            Workspace(Path(place) / "workspace").create().root, Path(place) / "app.log", temporary
        )
        app.start()
        samples, load = soak(app, temporary, args.minutes, args.raters)
        family = app.family()
        app.stop()
        _, alive = psutil.wait_procs(family, timeout=30)
        left = [str(path) for path in temporary.rglob("*") if path.is_file()]
    print(told(samples, args.warm_up))
    print("done:", dict(load.done))
    print("processes left after the end:", [process.pid for process in alive], "files left:", left)
    for trouble in load.troubles:
        print("trouble:", trouble)
    if args.json:
        write_json(
            args.json,
            {"rows": [asdict(one) for one in samples], "done": dict(load.done), "troubles": load.troubles},
        )
    uneven = [name for name, rise in rises(samples, args.warm_up).items() if rise >= BOUNDS[name]]
    print("verdict:", f"not flat: {', '.join(uneven)}" if uneven else "flat")
    return int(bool(uneven or load.troubles or alive or left))


if __name__ == "__main__":
    sys.exit(main())
