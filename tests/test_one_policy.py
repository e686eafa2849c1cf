"""A conversation with one policy of a run or one of its snapshots, and what the page shows of it."""

from types import SimpleNamespace

import gradio as gr
import pytest
from served_page import FakeClient

from data.errors import Code, UserError
from data.files import write_json
from pipeline.arena import one_policy
from pipeline.runs import snapshots
from pipeline.runs.reader import RunReader, read_run
from pipeline.runs.record import Run
from pipeline.settings.layers import build
from ui import run_chat, run_export
from ui.texts import Texts

T = Texts("en")


def save_adapter(folder):
    folder.mkdir(parents=True)
    write_json(folder / "model.json", {"base_model": "tiny", "base_hash": "b" * 64})
    (folder / "adapter_model.safetensors").write_text("weights")


@pytest.fixture
def ppo(workspace):
    """A done PPO run with the snapshots of two steps."""
    run = Run.create(
        workspace, "ppo", build("ppo", precision="int8", overrides=["base_model=tiny", "temperature=0.5"])
    )
    run.start_attempt()
    for step in (10, 20):
        save_adapter(snapshots.folder_of(run.folder, step))
    save_adapter(run.model_dir)
    run.finish({"score_gain": 1.0})
    return run


class Recorder(FakeClient):
    """Remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def stream(self, lineup, conversations, **sampling):
        self.asked.append((lineup, dict(conversations), sampling))
        yield from super().stream(lineup, conversations, **sampling)


def services_on(workspace, client):
    return SimpleNamespace(
        workspace=workspace, runs=RunReader(workspace), arena=SimpleNamespace(client=client)
    )


def test_the_final_model_comes_first_and_then_the_snapshots_from_the_latest(workspace, ppo):
    found = one_policy.versions(workspace, read_run(workspace, ppo.id))
    assert [version.name for version in found] == ["last", "20", "10"]


def test_a_snapshot_of_a_run_that_is_still_training_can_answer(workspace):
    run = Run.create(workspace, "ppo", build("ppo", overrides=["base_model=tiny"]))
    run.start_attempt()
    save_adapter(snapshots.folder_of(run.folder, 5))
    assert [v.name for v in one_policy.versions(workspace, read_run(workspace, run.id))] == ["5"]


def test_a_reward_model_and_a_run_without_a_model_cannot_answer(workspace):
    for stage in ("reward", "sft"):
        run = Run.create(workspace, stage, build(stage))
        run.start_attempt()
        run.finish({}) if stage == "reward" else run.fail("stopped", Code.UNEXPECTED)
        assert one_policy.versions(workspace, read_run(workspace, run.id)) == []


def test_the_line_up_has_the_runs_own_sampling_and_the_base_that_it_was_trained_on(workspace, ppo):
    lineup = one_policy.lineup_of(workspace, read_run(workspace, ppo.id), "10")
    assert lineup.names == ("ppo-int8",) and lineup.policies[0].folder.name == "step-10"
    assert lineup.policies[0].precision == "bf16"  # only the reward model was int8
    assert lineup.decoding == {"temperature": 0.5, "max_new_tokens": 48}
    with pytest.raises(UserError, match="no saved model 15"):
        one_policy.lineup_of(workspace, read_run(workspace, ppo.id), "15")


def test_an_answer_grows_and_the_next_message_goes_on_from_it(workspace, ppo):
    client = Recorder()
    services = services_on(workspace, client)
    first = list(run_chat.answered(services, ppo.id, "last", "Hello", [], "chat:1", T))
    assert [len(kept) for _, kept, *_ in first] == [1, 1, 1, 2]
    said = first[-1][1]
    assert said[-1] == {"role": "assistant", "content": "Answer with three."}
    list(run_chat.answered(services, ppo.id, "20", "And then?", said, "chat:1", T))
    _, asked, sampling = client.asked[-1]
    assert asked["ppo-int8"].endswith("three.\n\nHuman: And then?\n\nAssistant:")
    assert sampling["request"] == "chat:1"


def test_a_message_that_cannot_be_answered_leaves_the_conversation_and_the_text(workspace, ppo, monkeypatch):
    warned = []
    monkeypatch.setattr(run_chat, "warn", lambda error, t: warned.append(str(error)))
    before = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    services = services_on(workspace, FakeClient())
    [update] = run_chat.answered(services, ppo.id, "last", "  ", before, "chat:1", T)
    assert update[1] == before and warned == [T("arena.no_prompt")]
    [update] = run_chat.answered(services, ppo.id, "99", "Hello", before, "chat:1", T)
    assert update[1] == before and update[2] == "Hello" and "no saved model 99" in warned[1]


def test_another_run_begins_a_new_conversation_and_the_same_run_keeps_it(workspace, ppo):
    services = services_on(workspace, FakeClient())
    panel, version, _, run, chat, said = run_chat.offered(services, ppo.id, "", "", T)
    assert panel.visible and version.value == "last" and version.visible and (chat, said) == ([], [])
    assert [label for label, _ in version.choices] == ["end of the run", "after step 20", "after step 10"]
    panel, version, _, run, chat, said = run_chat.offered(services, ppo.id, "10", ppo.id, T)
    assert version.value == "10" and chat == said == {"__type__": "update"}


def test_model_text_is_inert_in_the_chat():
    shown = run_chat.update([{"role": "assistant", "content": "<img src=x> **b**"}], [], False, busy=False)[0]
    assert shown[0]["content"] == "&lt;img src=x&gt; **b**"


def test_the_export_is_offered_for_a_done_run_with_its_command(workspace, ppo):
    services = services_on(workspace, FakeClient())
    panel, version, _, shown = run_export.offered(services, ppo.id, "", "", T)
    assert panel.visible and version.value == "last" and shown == ppo.id
    command = run_export.command_html(services, ppo.id, "20", "adapter", T)
    assert f"python -m pipeline export {ppo.id} --to {workspace.exports / ppo.id}-step-20-adapter" in command
    assert "--step 20" in command
    running = Run.create(workspace, "sft", build("sft"))
    running.start_attempt()
    assert not run_export.offered(services, running.id, "", "", T)[0].visible
    assert run_export.command_html(services, running.id, "", "merged", T) == ""


def test_a_growing_answer_ends_with_its_conversation(workspace):
    """Otherwise its words would appear in the conversation with another version or another run."""
    with gr.Blocks() as page:
        choice, stand = gr.Dropdown(), gr.State()
        run_chat.build(services_on(workspace, FakeClient()), T, choice, stand)
    events = page.config["dependencies"]
    (answering,) = [one["id"] for one in events if one["types"]["generator"]]
    ending = {tuple(target) for one in events if answering in one["cancels"] for target in one["targets"]}
    ids = {component["props"].get("elem_id"): component["id"] for component in page.config["components"]}
    assert ending == {
        (ids["chat-clear"], "click"), (ids["chat-version"], "input"), (choice._id, "input"),
    }  # fmt: skip
