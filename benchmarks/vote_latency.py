"""Measures how long it takes to store a vote while 32 raters vote at once, on a database with 100,000 votes.

    python -m benchmarks.vote_latency --json FILE

Each rater is a thread that opens rounds, stores their answers and votes, as the app does for a request; the time
is that of `VoteStore.vote`, which returns when the vote is on disk. Two rows: raters who pause for a second
between two votes, and raters who never pause, the most that the store can take. `benchmarks.raters_and_kills`
measures the same through the running app.
"""

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.arena_votes import ORDERS, fill
from data.files import write_json
from data.policies import POLICIES
from data.votes import Answer, VoteStore


@dataclass(frozen=True)
class Row:
    """Milliseconds of a vote. pause: mean seconds between two votes of a rater."""

    votes_before: int
    raters: int
    pause: float
    votes: int
    p50: float
    p99: float
    most: float
    per_second: float


def rate(store: VoteStore, rater: str, votes: int, pause: float, seed: int) -> list[float]:
    """Ask and vote so many times; the seconds of each vote."""
    chance, found = random.Random(seed), []
    for number in range(votes):
        new = store.open_round(
            rater=rater, message=f"Question {number}", prompt_sha256=f"{number:064x}", policies=POLICIES,
            seed=number, decoding={}, base={}, software={},
        )  # fmt: skip
        store.close_round(
            new.id,
            [
                Answer(letter, policy, "", f"An answer, {letter}.", 5, "stop", 0.1, 0.2, {})
                for letter, policy in new.arrangement.items()
            ],
        )
        time.sleep(chance.uniform(0.5, 1.5) * pause)
        begun = time.perf_counter()
        store.vote(new.id, chance.choice(ORDERS), rater=rater)
        found.append(time.perf_counter() - begun)
    return found


def measured(store: VoteStore, before: int, raters: int, votes: int, pause: float) -> Row:
    """All raters at once."""
    seconds: list[float] = []

    def one(number: int) -> None:
        seconds.extend(rate(store, f"rater {number}", votes, pause, seed=number))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(raters)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - begun
    p50, p99, most = (1000 * float(np.percentile(seconds, share)) for share in (50, 99, 100))
    return Row(before, raters, pause, len(seconds), p50, p99, most, len(seconds) / wall)


def main() -> int:
    """0 where the 99th percentile of raters who pause is below 100 ms."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=int, default=100_000)
    parser.add_argument("--raters", type=int, default=32)
    parser.add_argument("--votes", type=int, default=40, help="of each rater")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: the temporary folder")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "arena.sqlite"
        VoteStore(path).close()
        fill(path, options.before, raters=200, prompts=3000, seed=0)
        store = VoteStore(path)
        print(f"SQLite {sqlite3.sqlite_version}", flush=True)
        for pause in (1.0, 0.0):
            rows.append(measured(store, options.before, options.raters, options.votes, pause))
            print(json.dumps(asdict(rows[-1])), flush=True)
        store.close()
    if options.json:
        write_json(options.json, {"rows": [asdict(row) for row in rows]})
    return int(rows[0].p99 >= 100)


if __name__ == "__main__":
    sys.exit(main())
