"""Measures the CPU seconds of a leaderboard with many votes, on one core.

    python -m benchmarks.arena_votes --votes 100000

Fills a database in a temporary folder with made-up votes (the rows that the app would write, but not in one
transaction per vote), then measures how long it takes to read the votes and to compute the board, the first time
and again without new votes.
"""

import argparse
import itertools
import json
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np

from data.policies import POLICIES
from data.vote_schema import summary
from data.votes import VoteStore
from evaluation.ballots import VoteTable
from evaluation.leaderboard import leaderboard
from evaluation.verdict import verdicts
from pipeline.arena.statistics import Statistics, contrasts

ORDERS = ("A>B>C>D", "B>A=D>C", "D>C>B>A", "C>A>B=D", "none", "A=B>C=D", "B>C>A>D")
SEASON = "made-up"


def fill(path: Path, votes: int, raters: int, prompts: int, seed: int) -> None:
    """Write rounds, answers (a third of them with two equal texts) and votes."""
    rng = np.random.default_rng(seed)
    arrangements = [dict(zip("ABCD", order, strict=True)) for order in itertools.permutations(POLICIES)]
    who, what = rng.integers(raters, size=votes), rng.integers(prompts, size=votes)
    order = rng.integers(len(ORDERS), size=votes)
    now = "2026-01-01T00:00:00+00:00"
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO seasons VALUES (?,1,?,'tiny','tiny','','{}','{}',0,0.15,NULL,0)", (SEASON, now)
        )
        db.executemany("INSERT INTO raters VALUES (?, ?)", [(f"r{i}", now) for i in range(raters)])
        db.executemany(
            "INSERT INTO rounds VALUES (?,?,?,0,?,?,'answered','en','',?,?,1,'{}','{}','{}',NULL,?,"
            "'rank',NULL,'[]',?,?)",
            (
                (
                    f"{i}",
                    f"r{who[i]}",
                    f"{i}",
                    now,
                    now,
                    f"{what[i]}",
                    json.dumps(arrangements[i % 24]),
                    SEASON,
                    *summary(_texts(i), {arrangements[i % 24][x]: n for x, n in _tokens(i).items()}),
                )
                for i in range(votes)
            ),
        )
        db.executemany(
            "INSERT INTO answers VALUES (?,?,?,'',?,?,'stop',0.1,0.2,'{}')",
            (
                (f"{i}", letter, arrangements[i % 24][letter], text, _tokens(i)[letter])
                for i in range(votes)
                for letter, text in _texts(i).items()
            ),
        )
        db.executemany(
            "INSERT INTO votes VALUES (?,?,?,?,'',?,9.0,NULL,'[]')",
            ((f"{i}", f"{i}", f"r{who[i]}", ORDERS[order[i]], now) for i in range(votes)),
        )


def _texts(number: int) -> dict[str, str]:
    said = {letter: letter for letter in "ABCD"} | ({"C": "A"} if number % 3 == 0 else {})
    return {letter: f"An answer, {text}" for letter, text in said.items()}


def _tokens(number: int) -> dict[str, int]:
    """Lengths that hardly two rounds share."""
    return {letter: 10 + number * prime % 61 for letter, prime in zip("ABCD", (7, 11, 13, 17), strict=True)}


def timed(name: str, work):
    """Run `work`, print its CPU seconds, return its result."""
    start = time.process_time()
    result = work()
    print(f"{time.process_time() - start:6.2f} s  {name}", flush=True)
    return result


def main() -> None:
    """Fill the database, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--votes", type=int, default=100_000)
    parser.add_argument("--raters", type=int, default=200)
    parser.add_argument("--prompts", type=int, default=3000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arena.sqlite"
        VoteStore(path).close()
        fill(path, options.votes, options.raters, options.prompts, seed=0)
        store = VoteStore(path)
        statistics = Statistics(store)
        ballots = timed(f"read {options.votes:,} votes from the database", lambda: statistics.ballots(SEASON))
        table = timed("votes to arrays", lambda: VoteTable.of(ballots))
        timed("leaderboard", lambda: leaderboard(table))
        timed("verdicts", lambda: verdicts(table, contrasts(0.15)))
        timed("the complete board, with flagged raters", lambda: statistics.board(SEASON))
        timed("the board again, without new votes", lambda: statistics.board(SEASON))
        timed("trust", lambda: statistics.trust(SEASON))
        store.close()


if __name__ == "__main__":
    main()
