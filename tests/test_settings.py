"""Settings: layers, bounds, and one-line errors that a user can act on."""

import dataclasses

import pytest

from data.errors import UserError
from data.policies import PRECISIONS
from pipeline.settings import layers
from pipeline.settings.every_stage import PRESETS
from pipeline.settings.layers import build, fields, from_dict, to_dict
from pipeline.settings.presets import preset_values
from pipeline.settings.stages import STAGES


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stage", STAGES.names)
def test_every_stage_has_settings_in_every_preset(stage, preset):
    settings = build(stage, preset)
    assert settings.preset == preset
    assert settings.seed == 42
    assert from_dict(stage, to_dict(settings)) == settings


@pytest.mark.parametrize("stage", STAGES.names)
def test_every_field_has_help_and_a_default_within_its_bounds(stage):
    for field in fields(stage):
        assert field.help, field.name
        if field.minimum is not None:
            assert field.default >= field.minimum, field.name
        if field.choices:
            assert field.default in field.choices, field.name


def test_layers_come_in_the_order_of_the_contract(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("max_steps: 7\nlearning_rate: 1e-5\nseed: 1\nprecision: int4\n")
    assert build("sft", "tiny").max_steps == preset_values("sft", "tiny")["max_steps"]
    assert build("sft", "tiny", config_file=config).max_steps == 7
    settings = build("sft", "tiny", config_file=config, overrides=["max_steps=9", "seed=2"], seed=3)
    assert (settings.max_steps, settings.seed, settings.learning_rate) == (9, 3, 1e-5)
    assert settings.precision == "int4"
    assert build("sft", "tiny", precision="int8", config_file=config).precision == "int8"


@pytest.mark.parametrize("stage", ["sft", "reward", "judge", "ppo"])
def test_on_a_gpu_the_preset_small_does_whole_batches_at_once(monkeypatch, stage):
    on_cpu = build(stage, "small")
    monkeypatch.setattr(layers, "has_gpu", lambda: True)
    on_gpu = build(stage, "small")
    assert on_gpu.micro_batch_size == on_gpu.batch_size > on_cpu.micro_batch_size
    assert dataclasses.replace(on_gpu, micro_batch_size=on_cpu.micro_batch_size) == on_cpu
    assert build(stage, "small", overrides=["micro_batch_size=2"]).micro_batch_size == 2
    (shown,) = (field for field in layers.fields(stage, "small") if field.name == "micro_batch_size")
    assert shown.default == on_gpu.batch_size


def test_on_a_gpu_the_preset_small_evaluates_more_prompts_at_once(monkeypatch):
    on_cpu = build("evaluate", "small")
    monkeypatch.setattr(layers, "has_gpu", lambda: True)
    on_gpu = build("evaluate", "small")
    assert on_gpu.batch_size > on_cpu.batch_size
    assert dataclasses.replace(on_gpu, batch_size=on_cpu.batch_size) == on_cpu


def test_a_config_file_sets_the_preset_unless_a_flag_does(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("preset: edge\n")
    assert build("sft", config_file=config).base_model == "distilgpt2"
    assert build("sft", "tiny", config_file=config).base_model == "tiny"


@pytest.mark.faults(37)
@pytest.mark.parametrize("name", ["../../x", "a/b", "/abs", "..", "CON", "x\0y", "文" * 50, ".hidden", "a."])
@pytest.mark.parametrize(
    ("stage", "field"),
    [("prepare", "name"), ("ppo", "name"), ("sft", "dataset"), ("reward", "sft_run"), ("ppo", "reward_run")],
)
def test_a_name_that_could_lead_out_of_the_workspace_is_refused_before_anything_runs(stage, field, name):
    with pytest.raises(UserError, match=f"^{stage}: .*not allowed|too long|reserved"):
        build(stage, "tiny", overrides=[f"{field}={name}"])


@pytest.mark.faults(37)
def test_the_name_that_a_source_gives_to_its_data_set_is_checked_too():
    with pytest.raises(UserError, match="prepare: source: name 'con': reserved"):
        build("prepare", "tiny", overrides=["source=somewhere/con.jsonl"])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["max_step=3"], "did you mean max_steps"),
        (["nonsense=3"], "has no setting 'nonsense'"),
        (["learning_rate=9"], "less than or equal to 1"),
        (["learning_rate=nan"], "finite"),
        (["max_steps=-1"], "greater than or equal to 0"),
        (["batch_size=many"], "integer"),
        (["lr_scheduler=wavy"], "'linear', 'cosine' or 'constant'"),
        (["preset=huge"], "choose one of tiny, small, edge"),
        (["max_steps"], "write field=value"),
        (["batch_size=12", "micro_batch_size=5"], "micro_batch_size=4 does"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(overrides, said):
    with pytest.raises(UserError) as caught:
        build("sft", overrides=overrides)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stage", ["ppo", "evaluate"])
def test_a_response_that_leaves_no_room_for_its_prompt_is_refused(stage):
    build(stage, overrides=["max_length=64", "response_length=63"])
    with pytest.raises(UserError, match="response_length=64 leaves no room for a prompt in max_length=64"):
        build(stage, overrides=["max_length=64", "response_length=64"])


def test_sizes_of_the_preset_shrink_to_fit_a_smaller_batch():
    settings = build("ppo", overrides=["batch_size=6"])
    assert settings.batch_size % settings.num_minibatches == 0
    assert (settings.batch_size // settings.num_minibatches) % settings.micro_batch_size == 0
    assert build("ppo", overrides=["batch_size=7"]).num_minibatches == 1


@pytest.mark.parametrize("text", ["a: [1", "- a\n- b\n", "\x00"])
def test_a_broken_config_file_is_refused(tmp_path, text):
    config = tmp_path / "config.yaml"
    config.write_text(text)
    with pytest.raises(UserError, match="config.yaml"):
        build("sft", config_file=config)


def test_a_number_as_a_name_stays_text_and_a_local_path_becomes_absolute(tmp_path, monkeypatch):
    config = tmp_path / "config.yaml"
    config.write_text("name: 2024\nsource: rows.jsonl\n")
    (tmp_path / "rows.jsonl").write_text("")
    monkeypatch.chdir(tmp_path)
    settings = build("prepare", config_file=config)
    assert settings.name == "2024"
    assert settings.source == str(tmp_path / "rows.jsonl")


def test_settings_cannot_be_changed():
    settings = build("ppo")
    with pytest.raises(AttributeError):
        settings.kl_coef = 3.0
    assert set(PRECISIONS) == {"bf16", "int8", "int4"}
