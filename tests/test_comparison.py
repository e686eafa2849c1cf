"""The comparison of runs: seeds as one line with a band, one colour per arm, and answers to one prompt."""

from types import SimpleNamespace

import pytest
from test_runs_tab import make_run

from pipeline.runs.reader import RunReader
from pipeline.runs.record import Run
from pipeline.settings.layers import build
from ui import arms, comparison, run_answers
from ui.comparison import Look
from ui.texts import Texts
from ui.theme import COLOURS

T = Texts("en")


@pytest.fixture
def services(workspace):
    return SimpleNamespace(workspace=workspace, runs=RunReader(workspace))


def curve(values, key="objective/scores"):
    return [{"step": step, key: value} for step, value in enumerate(values, 1)]


def show(services, ids, **look):
    seen, metric, chart, table, *answers = comparison.show(services, "", ids, Look(**look), T)
    return SimpleNamespace(seen=seen, metric=metric, table=table, answers=answers)


def figure(services, ids, **look):
    records = comparison.known_runs(services, ids)
    rows = {r.id: comparison.metrics_of(services, r) for r in records}
    metric = look.pop("metric", "objective/scores")
    return comparison.chart_of(arms.groups(records, T), rows, metric, Look(**look), T)


def lines(found):
    return [trace for trace in found.data if trace.name]


def test_an_arm_has_its_own_colour_whatever_the_order(services):
    ids = [
        make_run(services.workspace, "ppo", precision=p, rows=curve([1, 2])).id
        for p in ("int8", "bf16", "int4")
    ]
    for order in (ids, ids[::-1], ids[1:]):
        drawn = {trace.name.split()[1]: trace.line.color for trace in lines(figure(services, order))}
        assert drawn == {p: COLOURS[p] for p in drawn} and len(drawn) == len(order)


def test_two_groups_of_one_arm_share_its_colour_and_differ_in_their_dash(services):
    ids = [
        make_run(services.workspace, "ppo", [f"kl_coef={c}"], precision="int4", rows=curve([1, 2])).id
        for c in (0.05, 0.2)
    ]
    first, second = lines(figure(services, ids))
    assert first.line.color == second.line.color == COLOURS["int4"] and first.line.dash != second.line.dash
    assert "0.05" in first.name and "0.2" in second.name


def test_runs_without_an_arm_have_none_of_the_arms_colours(services):
    ids = [make_run(services.workspace, overrides=[f"learning_rate={r}"]).id for r in (0.1, 0.01)]
    groups = arms.groups(comparison.known_runs(services, ids), T)
    assert len({group.colour for group in groups}) == 2
    assert not {group.colour for group in groups} & {COLOURS[p] for p in ("bf16", "int8", "int4")}


def test_seeds_collapse_to_their_mean_and_a_band(services):
    ids = [
        make_run(services.workspace, "ppo", [f"seed={seed}"], rows=curve(values)).id
        for seed, values in ((1, [1.0, 2.0]), (2, [3.0, 4.0]))
    ]
    found = figure(services, ids)
    band, line = found.data
    assert list(line.y) == [2.0, 3.0] and T("compare.seeds", count=2) in line.name
    assert list(band.y) == pytest.approx([2 + 2**0.5, 3 + 2**0.5, 3 - 2**0.5, 2 - 2**0.5])
    table = show(services, ids).table
    assert "Seed" not in table


def test_a_live_run_is_a_line_of_its_own(services):
    done = make_run(services.workspace, "ppo", ["seed=1"], rows=curve([1, 2]))
    live = Run.create(services.workspace, "ppo", build("ppo", "tiny", overrides=["seed=2"]))
    live.start_attempt()
    live.log({"step": 1, "objective/scores": 5.0})
    groups = arms.groups(comparison.known_runs(services, [done.id, live.id]), T)
    assert [len(group.runs) for group in groups] == [1, 1]


def test_the_table_has_only_what_differs(services):
    rows = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    ids = [make_run(services.workspace, overrides=[f"learning_rate={r}"], rows=rows).id for r in (0.1, 0.01)]
    found = show(services, ids)
    assert "Learning rate" in found.table and "Batch size" not in found.table
    assert found.metric == "loss"  # none of the runs has the score of a PPO run


def test_results_of_seeds_are_a_mean_with_its_spread():
    assert comparison.mean_of([0.5, 0.7, None]) == "0.600 ± 0.14"
    assert comparison.mean_of([0.5]) == "0.500" and comparison.mean_of([None]) == "–"


def test_curves_over_distance_are_drawn_at_the_root_of_kl(services):
    rows = [{"step": s, "objective/scores": s, "objective/kl": s * s} for s in (1, 2, 3)]
    run = make_run(services.workspace, "ppo", rows=rows)
    (line,) = lines(figure(services, [run.id], axis="distance"))
    assert list(line.x) == [1.0, 2.0, 3.0]


def test_a_smoothed_curve_keeps_the_raw_one_behind_it(services):
    run = make_run(services.workspace, "ppo", rows=curve([4.0, 0.0]))
    raw, smooth = figure(services, [run.id], smoothing=0.5).data
    assert list(raw.y) == [4.0, 0.0] and list(smooth.y) == pytest.approx([4.0, 4 / 3]) and raw.opacity < 1


def test_memory_of_a_run_is_a_curve(services):
    run = make_run(services.workspace, rows=[{"step": 1, "loss": 1.0}])
    (row,) = comparison.metrics_of(services, run.record)
    assert 0.01 < row["rss_gb"] < 100


def test_the_chart_is_drawn_again_only_when_something_changed(services):
    run = make_run(services.workspace, rows=[{"step": 1, "loss": 2.0}])
    seen = comparison.show(services, "", [run.id], Look(), T)[0]
    again = comparison.show(services, seen, [run.id], Look(), T)
    assert all(part == {"__type__": "update"} for part in again)


def test_deleted_runs_are_left_out(services):
    run = make_run(services.workspace, rows=[{"step": 1, "loss": 2.0}])
    gone = "20260101T000000Z-sft-bf16-0000"
    assert [r.id for r in comparison.known_runs(services, [gone, run.id])] == [run.id]
    assert comparison.nothing_picked(T) in comparison.show(services, "", [gone], Look(), T)[3]


def test_the_newest_arms_are_those_of_the_newest_sft_run(services):
    ids = {}
    for sft, precision in (("a", "bf16"), ("b", "int4"), ("b", "bf16"), ("b", "bf16")):
        run = make_run(services.workspace, "ppo", precision=precision)
        run.change(parents=type(run.record.parents).from_json({"sft": sft}, precision))
        ids[sft, precision] = run.id
    make_run(services.workspace, "ppo", ["reward=gold"])
    assert arms.newest_arms(services.runs.list()) == [ids["b", "bf16"], ids["b", "int4"]]


def test_answers_to_one_prompt_stand_in_the_order_of_steps_and_runs(services):
    prompts = ["\n\nHuman: Hi!\n\nAssistant:", "\n\nHuman: Is it late?\n\nAssistant:"]
    made = []
    for number in (1, 2):
        run = make_run(services.workspace, "ppo", [f"seed={number}"])
        for step in (0, 5):
            for prompt in prompts[: 3 - number]:
                run.sample({"step": step, "prompt": prompt, "response": f"<b>{number}{step}", "score": 0.5})
        made.append(run.record)
    body, prompt, table = run_answers.show(services, made, None, T)
    assert body.visible and prompt.value == prompts[0]
    assert [(row[0], row[2]) for row in table.value["data"]] == [
        ("0", "<b>10"), ("0", "<b>20"), ("5", "<b>15"), ("5", "<b>25"),
    ]  # fmt: skip
    assert run_answers.show(services, made, prompts[1], T)[1].value == prompts[1]
    assert not run_answers.show(services, [], None, T)[0].visible
