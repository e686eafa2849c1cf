"""32 raters vote for two minutes while the app is killed ten times: what was acknowledged, and how long it took.

python -m benchmarks.raters_and_kills --json raters.json

The rounds are in the database before (made-up answers, as nothing is sampled here); each rater votes on his
own by the HTTP API and sends a vote again, under the same id, until it is acknowledged, as a careful client
does. Afterwards the database is read: every acknowledged vote has to be there once, and no round twice. The
time of a vote is that of the request that was acknowledged, from its sending to the end of its answer.
`--kills 0` tells the times on an app that nobody kills.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.served_app import ServedApp
from data.files import write_json
from data.policies import POLICIES
from data.votes import Answer, VoteStore
from data.workspace import Workspace

ORDERS = ("A>B>C>D", "B>A=D>C", "D>C>B>A", "C>A>B=D", "none", "A=B>C=D")


@dataclass
class Rater:
    """One rater's rounds, and what happened. acknowledged: vote id to round. sent: every id ever sent."""

    name: str
    rounds: list[str]
    acknowledged: dict[str, str] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    again: int = 0


def fill(workspace: Workspace, raters: int, each: int) -> list[Rater]:
    """Rounds with answers, `each` for every rater."""
    store = VoteStore(workspace.votes_db)

    def asked(name: str) -> Rater:
        rounds = []
        for number in range(each):
            new = store.open_round(
                rater=name, message=f"Question {number}", prompt_sha256=f"{number:064x}", policies=POLICIES,
                seed=number, decoding={}, base={}, software={},
            )  # fmt: skip
            facts: dict[str, Any] = {"first_token_seconds": 0.1, "seconds": 0.2, "weights": {}}
            store.close_round(
                new.id,
                [
                    Answer(letter, policy, "", f"An answer, {letter}.", 5, "stop", **facts)
                    for letter, policy in new.arrangement.items()
                ],
            )
            rounds.append(new.id)
        return Rater(name, rounds)

    with ThreadPoolExecutor(raters) as pool:
        found = list(pool.map(asked, [f"api:rater {number}" for number in range(raters)]))
    store.close()
    return found


async def vote(client: httpx.AsyncClient, round_id: str, order: str, vote_id: str) -> bool:
    """Send a vote once; whether it was acknowledged."""
    try:
        told = await client.post("/gradio_api/call/vote", json={"data": [round_id, order, "", vote_id]})
        if told.status_code != 200:
            return False
        answer = await client.get(f"/gradio_api/call/vote/{told.json()['event_id']}")
        return "event: complete" in answer.text and vote_id in answer.text
    except (httpx.HTTPError, ValueError, KeyError):
        return False


async def rate(rater: Rater, address: str, until: float, pause: float, seed: int) -> None:
    """Vote on one round after the other, with pauses of about `pause` seconds, until the time is over."""
    chance = random.Random(seed)
    async with httpx.AsyncClient(base_url=address, timeout=20) as client:
        for round_id in rater.rounds:
            await asyncio.sleep(chance.uniform(0.5, 1.5) * pause)
            if time.monotonic() > until:
                return
            vote_id, order = secrets.token_hex(16), chance.choice(ORDERS)
            rater.sent[vote_id] = round_id
            while time.monotonic() < until + 30:
                begun = time.monotonic()
                if await vote(client, round_id, order, vote_id):
                    rater.acknowledged[vote_id] = round_id
                    rater.seconds.append(time.monotonic() - begun)
                    break
                rater.again += 1
                await asyncio.sleep(0.25)


async def trial(app: ServedApp, raters: list[Rater], seconds: float, kills: int, pause: float) -> list[float]:
    """Let all vote while the app is killed at random moments of equal parts; returns the starts' seconds."""
    begun, starts = time.monotonic(), []
    tasks = [
        asyncio.create_task(rate(one, app.address, begun + seconds, pause, n)) for n, one in enumerate(raters)
    ]
    chance = random.Random(0)
    for number in range(kills):
        moment = begun + (number + chance.uniform(0.4, 0.9)) * seconds / kills
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        app.kill()
        starts.append(await asyncio.to_thread(app.start))
    await asyncio.gather(*tasks)
    return starts


def verdict(workspace: Workspace, raters: Iterable[Rater]) -> dict[str, Any]:
    """The database against what was acknowledged."""
    store = VoteStore(workspace.votes_db)
    stored = {row["vote"]: row["round"] for row in store.votes(retracted=True)}
    store.close()
    acknowledged = {key: value for rater in raters for key, value in rater.acknowledged.items()}
    sent = {key: value for rater in raters for key, value in rater.sent.items()}
    return {
        "acknowledged": len(acknowledged),
        "lost": sum(stored.get(vote) != round_id for vote, round_id in acknowledged.items()),
        "rounds_with_two_votes": sum(count > 1 for count in Counter(stored.values()).values()),
        "strangers": sum(sent.get(vote) != round_id for vote, round_id in stored.items()),
        "stored_and_not_acknowledged": len(stored.keys() - acknowledged.keys()),
        "sent_again": sum(rater.again for rater in raters),
    }


def main() -> int:
    """0 where no acknowledged vote is lost and none is there twice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raters", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--pause", type=float, default=1.0, help="mean seconds between a rater's votes")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgerlhf-raters-") as place:
        workspace = Workspace(Path(place) / "workspace").create()
        raters = fill(workspace, args.raters, int(args.seconds / max(args.pause, 0.1) * 1.5) + 10)
        app = ServedApp(workspace.root, Path(place) / "app.log")
        app.start()
        starts = asyncio.run(trial(app, raters, args.seconds, args.kills, args.pause))
        app.stop()
        row = {"raters": args.raters, "seconds": args.seconds, "kills": args.kills, "pause": args.pause}
        row |= verdict(workspace, raters)
    times = np.array([second for rater in raters for second in rater.seconds])
    shares = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    row |= {f"ms_{name}": round(1000 * float(np.percentile(times, share))) for name, share in shares.items()}
    row |= {"start_seconds": [round(second, 1) for second in starts]}
    print(json.dumps(row, indent=1))
    if args.json:
        write_json(args.json, {"rows": [row]})
    return int(bool(row["lost"] or row["rounds_with_two_votes"] or row["strangers"]))


if __name__ == "__main__":
    sys.exit(main())
