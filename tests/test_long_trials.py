"""The scripts of the long trials tell a good outcome from a bad one, and kill where they say."""

import os
import signal
from collections import Counter
from types import SimpleNamespace

import pytest
from test_votes import answer, ask

from benchmarks import kill_runs, kills, raters_and_kills, soak
from benchmarks.kill_runs import Kill, forked
from data.files import write_atomic
from data.votes import VoteStore
from data.workspace import Workspace


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(
    ("kill", "first", "second"),
    [
        (Kill(call=2), False, False),  # before the rename of the first file
        (Kill(call=2, after=True), True, False),
        (Kill(call=5, after=True), True, True),
        (None, True, True),
    ],
)
def test_a_process_is_killed_at_the_call_that_was_chosen(tmp_path, kill, first, second):
    """A file is written with two calls of fsync, its own and its folder's, and the rename between them."""

    def job():
        write_atomic(tmp_path / "first", "1")
        write_atomic(tmp_path / "second", "2")

    ended = forked(job, tmp_path / "log", kill)
    assert (tmp_path / "first").exists() == first and (tmp_path / "second").exists() == second
    assert (ended.code, ended.calls) == ((-signal.SIGKILL, 0) if kill else (0, 6))


def test_half_of_the_kills_come_at_calls_and_all_are_the_same_again():
    calm = {"calls": 90, "seconds": 2.0}
    at_calls = [kills.planned(number, True, 1, calm, 0) for number in range(200)]
    assert {kill.call for kill in at_calls} <= set(range(1, 91)) and len({k.call for k in at_calls}) > 60
    assert {kill.after for kill in at_calls} == {True, False}
    moments = [kills.planned(number, False, 1, calm, 0).seconds for number in range(200)]
    assert 0 <= min(moments) < 0.1 and 1.9 < max(moments) <= 2.0
    assert moments == [kills.planned(number, False, 1, calm, 0).seconds for number in range(200)]


def test_what_differs_after_a_resume_is_named_and_clocks_are_not():
    run = SimpleNamespace(id="r1", record=SimpleNamespace(config={}))
    row = kill_runs._timeless({"step": 1, "wall_seconds": 2.0, "by": "runs/r1/x"}, run)
    assert row == {"step": 1, "by": "runs/RUN/x"}
    assert kill_runs.differences({"weights": 1, "events": []}, {"weights": 2, "events": []}) == ["weights"]


def counted(minute, **values):
    flat = {"app_mb": 300.0, "all_mb": 900.0, "handles": 40, "threads": 20, "processes": 4}
    return soak.Sample(minute=minute, **(flat | {"trainings": 1, "temporary_files": 0} | values))


def test_a_soak_that_grows_is_not_flat_and_noise_is():
    noise = [counted(k / 6, app_mb=300.0 + k % 7) for k in range(180)]
    growing = [counted(k / 6, app_mb=300.0 + k, handles=40 + k // 6) for k in range(180)]
    assert all(rise < soak.BOUNDS[name] for name, rise in soak.rises(noise, 6).items())
    rises = soak.rises(growing, 6)
    assert rises["app_mb"] == pytest.approx(143, abs=1) and rises["handles"] > soak.BOUNDS["handles"]
    assert "| app mb |" in soak.told(growing, 6) and "NO" in soak.told(growing, 6)


def test_a_vote_that_is_lost_or_twice_is_counted(tmp_path):
    workspace = Workspace(tmp_path).create()
    store = VoteStore(workspace.votes_db)
    rounds = [answer(store, ask(store)).id for _ in range(3)]
    store.vote(rounds[0], "A>B>C>D", vote_id="kept")
    store.vote(rounds[1], "A>B>C>D", vote_id="unheard")
    store.close()
    rater = raters_and_kills.Rater("r", rounds, acknowledged={"kept": rounds[0], "lost": rounds[2]})
    rater.sent = rater.acknowledged | {"unheard": rounds[1]}
    told = Counter(raters_and_kills.verdict(workspace, [rater]))
    assert (told["acknowledged"], told["lost"], told["stored_and_not_acknowledged"]) == (2, 1, 1)
    assert (told["strangers"], told["rounds_with_two_votes"]) == (0, 0)
