"""Passes side by side give the results of passes one after the other, bit for bit."""

import threading

import pytest
import torch
from little_ppo import stand, trainer_of, weights

from models.actor import Rows
from models.fast import switch
from models.fast.lanes import Lanes
from pipeline.ppo import learner


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items_and_threads_are_shared():
    def work(item: int) -> tuple[int, int, bool]:
        if item == 0:
            second.wait(10)  # the second one ends first
        second.set()
        return item, torch.get_num_threads(), torch.is_grad_enabled()

    second = threading.Event()
    with Lanes(2) as lanes, torch.no_grad():
        assert lanes.compute(work, [0, 1]) == [(0, 1, False), (1, 1, False)]
    assert torch.get_num_threads() == 2


def test_a_single_item_is_computed_in_the_callers_thread_with_all_threads():
    with Lanes(2) as lanes:
        got = lanes.compute(lambda item: (item, threading.get_ident(), torch.get_num_threads()), [3])
    assert got == [(3, threading.get_ident(), 2)]


def test_an_error_is_raised_after_the_other_item_is_finished():
    ended = []

    def work(item: int) -> None:
        if item == 0:
            raise MemoryError("no memory")
        ended.append(item)

    with Lanes(2) as lanes, pytest.raises(MemoryError, match="no memory"):
        lanes.compute(work, [0, 1])
    assert ended == [1] and torch.get_num_threads() == 2


def test_an_update_in_two_lanes_is_bit_for_bit_that_of_half_the_rows_in_one_thread(make_trainer, monkeypatch):
    torch.set_num_threads(1)  # the optimizer rounds as many threads differently
    monkeypatch.setattr(learner, "TOKENS_PER_LANE", 1)
    results, passes = [], []
    for lanes, micro in ((1, 1), (2, 2)):
        monkeypatch.setattr(learner, "_lanes_for", lambda actor, lanes=lanes: lanes)
        trainer = make_trainer("num_minibatches=1", "epochs=2")
        trainer._standardise()
        rollout = trainer.collector.collect(0, 0.1)
        passes.append(watched(trainer.actor))
        results.append((trainer.learner.update(rollout, 0, 0.002, 1.0, micro), weights(trainer)))
    (metrics, one), (metrics_of_two, two) = results
    assert metrics == metrics_of_two
    assert all(torch.equal(one[name], two[name]) for name in one)
    main, by_thread, by_thread_of_halves = threading.main_thread().name, *passes
    assert set(by_thread) == {main} and main not in by_thread_of_halves
    assert {1} == set().union(*by_thread_of_halves.values()) and len(by_thread_of_halves) == 2


def watched(actor) -> dict[str, list[int]]:
    """{name of a thread: the rows of each pass that it computed}, which grows with each pass."""
    seen, plain = {}, actor.evaluate

    def evaluate(every, index, *arguments, **options):
        seen.setdefault(threading.current_thread().name, []).append(len(index))
        return plain(every, index, *arguments, **options)

    actor.evaluate = evaluate
    return seen


def test_small_micro_batches_stay_whole_and_one_thread_has_no_lanes(make_trainer):
    rows = Rows([[1] * 400] * 4, [[2] * 112] * 4)
    assert learner._halves(rows, [3, 0]) == [[3], [0]]
    assert learner._halves(rows, [3, 0, 1]) == [[3], [0, 1]]
    assert learner._halves(Rows([[1] * 400] * 2, [[2] * 111] * 2), [0, 1]) == [[0, 1]]
    assert learner._halves(rows, [2]) == [[2]]
    actor = make_trainer().actor
    assert learner._lanes_for(actor) == 2
    actor.checkpointing = True
    assert learner._lanes_for(actor) == 1
    actor.checkpointing = False
    torch.set_num_threads(1)
    assert learner._lanes_for(actor) == 1


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_quantised_policy_and_a_plain_one_have_no_lanes(make_trainer, workspace, random_base, precision):
    parents = stand(workspace, random_base, precision)
    quantised = trainer_of(workspace, parents, "mode=shared", precision=precision, base=random_base)
    assert quantised.actor.is_quantised and learner._lanes_for(quantised.actor) == 1
    actor = make_trainer().actor
    assert not actor.is_quantised
    switch.mark(actor.model)
    assert learner._lanes_for(actor) == 1
