"""Forms are built from the settings, and their values become the overrides of a command line."""

import gradio as gr
import pytest

from pipeline.settings import layers as settings
from pipeline.settings.every_stage import PRESETS
from pipeline.settings.stages import STAGES
from ui import form
from ui.texts import Texts


@pytest.mark.parametrize("stage", STAGES.names)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_setting_but_preset_and_precision_is_on_the_form(stage, language):
    with gr.Blocks():
        made = form.build(stage, Texts(language))
    assert set(made.names()) == {f.name for f in settings.fields(stage)} - {"preset", "precision"}
    for field, component in zip(made.fields, made.components, strict=True):
        assert component.value == field.default
        assert component.info


def test_untouched_form_overrides_nothing():
    names = ["max_steps", "learning_rate", "gradient_checkpointing", "dataset"]
    assert form.overrides("sft", "tiny", names, form.defaults("sft", "tiny", names)) == []


def test_changed_fields_become_overrides_that_the_settings_take():
    names = ["max_steps", "learning_rate", "gradient_checkpointing", "name"]
    changed = form.overrides("sft", "tiny", names, [12, 5e-5, True, "mine"])
    assert changed == ["max_steps=12", "learning_rate=5e-05", "gradient_checkpointing=true", "name=mine"]
    built = settings.build("sft", "tiny", overrides=changed)
    assert (built.max_steps, built.learning_rate, built.gradient_checkpointing) == (12, 5e-5, True)


def test_emptied_number_counts_as_unchanged():
    assert form.overrides("sft", "tiny", ["max_steps"], [None]) == []


def test_whole_numbers_are_written_without_a_point():
    assert form.as_text(3.0) == "3"
    assert form.as_text(0.1) == "0.1"
    assert form.as_text(False) == "false"


def test_problem_names_the_field_that_is_out_of_bounds():
    t = Texts("en")
    assert form.problem("sft", "tiny", "bf16", ["learning_rate=7"], t) == "Learning rate: at most 1."
    assert form.problem("sft", "tiny", "bf16", ["learning_rate=7"], Texts("zh")) == "学习率：至多为 1。"
    assert form.problem("sft", "tiny", "bf16", ["learning_rate=0.001"], t) == ""


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stage", STAGES.names)
def test_at_most_six_settings_with_the_precision_are_on_the_first_screen(stage, preset):
    first = form.first_screen(settings.fields(stage, preset))
    assert 2 <= len(first) <= 5


def test_defaults_follow_the_preset():
    assert form.defaults("sft", "tiny", ["base_model"]) == ["tiny"]
    assert form.defaults("sft", "edge", ["base_model"]) == ["distilgpt2"]
