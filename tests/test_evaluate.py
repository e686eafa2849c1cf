"""The stage `evaluate` and the parts that it shares with PPO: log-probabilities, the table and the record."""

import math

import numpy as np
import pytest
import torch

from data.datasets import write_splits
from data.errors import UserError
from data.files import read_json, read_jsonl, write_json
from data.workspace import Workspace
from models import adapters, loading
from models.prompting import PromptFormat
from pipeline.runs import cards
from pipeline.runs.experiment import write_experiment
from pipeline.runs.record import Cancelled, Run
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build
from pipeline.stages.comparison import Candidate, reward_agreement
from pipeline.stages.evaluate import _base, evaluate
from pipeline.training import measure

CPU = torch.device("cpu")
PROMPTS = [f"\n\nHuman: Zebra {i} quickly green?\n\nAssistant:" for i in range(6)]


def adapter(base, folder, seed, *, head=False, precision="bf16", strength=0.3):
    """A saved LoRA adapter with random weights, a reward model's with a head."""
    load = loading.load_reward_base if head else loading.load_causal
    model = load(base, precision, CPU)
    model = adapters.attach(model, adapters.lora_config(model, 4, 8), "new")
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in adapters.adapter_parameters(model, "new").items():
        if "lora_B" in name:
            parameter.data = strength * torch.randn(parameter.shape, generator=generator)
    own_head = None
    if head:
        own_head = loading.Head(64)
        torch.nn.init.normal_(own_head.weight, generator=generator)
    adapters.save(model, folder, "new", base=base, precision=precision, head=own_head)


def done_run(workspace, stage, precision, parents, base, seed, **overrides):
    settings = build(stage, "tiny", precision=precision, overrides=[f"{k}={v}" for k, v in overrides.items()])
    run = Run.create(workspace, stage, settings, Parents.from_json(parents, precision))
    run.start_attempt()
    adapter(base, run.model_dir, seed, head=stage == "reward", precision="bf16")
    run.finish({"score_mean": 1.5, "kl_per_token": 0.1} if stage == "ppo" else {})
    return run.id


def runs_on(workspace, random_base):
    """Data set, SFT, reward models and policies in the workspace, as parents."""
    rows = [{"prompt": prompt, "chosen": "yes", "rejected": "no"} for prompt in PROMPTS]
    write_splits(workspace.dataset("small"), {"test": rows})
    sft = done_run(workspace, "sft", "bf16", {"dataset": "small"}, random_base, 1)
    rewards = {
        p: done_run(workspace, "reward", p, {"dataset": "small", "sft": sft}, random_base, seed)
        for p, seed in (("bf16", 2), ("int8", 3))
    }
    shape = {"response_length": 8, "max_length": 64}
    ppo = {
        "bf16": done_run(workspace, "ppo", "bf16", {}, random_base, 4, **shape),
        "int8": done_run(workspace, "ppo", "int8", {}, random_base, 5, mode="shared", **shape),
    }
    return {"dataset": "small", "sft": sft, "reward": rewards, "ppo": ppo}


@pytest.fixture
def pipeline_of_runs(workspace, random_base):
    return runs_on(workspace, random_base)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, random_base):
    """An evaluation of the same policies twice: (workspace, parents, the two runs, their results)."""
    workspace = Workspace(tmp_path_factory.mktemp("evaluated") / "workspace").create()
    parents, runs, results = runs_on(workspace, random_base), [], []
    for _ in range(2):
        settings, run = evaluation_run(workspace, parents)
        runs.append(run)
        results.append(evaluate(settings, run, workspace))
    return workspace, parents, runs, results


def evaluation_run(workspace, parents):
    settings = build("evaluate", "tiny", overrides=["eval_prompts=5", "safety_prompts=3", "batch_size=2"])
    run = Run.create(workspace, "evaluate", settings, Parents.from_json(parents, "bf16"))
    run.start_attempt()
    return settings, run


def test_evaluate_compares_every_policy_by_every_reward_model(evaluated):
    *_, (results, _) = evaluated
    rows = {row["policy"]: row for row in results["table"]}
    assert list(rows) == ["sft", "ppo-bf16", "ppo-int8"]
    assert rows["sft"]["kl_per_token"] == 0.0 and rows["sft"]["k3_per_sequence"] == 0.0
    assert rows["sft"]["score_gain_int8"] == 0.0 and rows["sft"]["score_mean"] is None
    assert [row["served_precision"] for row in rows.values()] == ["bf16", "bf16", "int8"]
    for name, own in (("ppo-bf16", "bf16"), ("ppo-int8", "int8")):
        row = rows[name]
        assert row["k3_per_token"] > 0
        assert row["score_mean"] == row[f"score_{own}"] and row["score_gain"] == row[f"score_gain_{own}"]
        assert row["score_gain_ci"][0] <= row["score_gain"] <= row["score_gain_ci"][1]
        low, high = row["win_rate_vs_sft_ci"]
        assert 0 <= low <= row["win_rate_vs_sft"] <= high <= 1
        assert row["gold"] is None  # these prompts are not from the tiny world
        assert row["length"] <= 8 and row["n"] == 5
        assert {target["name"] for target in results["targets"][name]} >= {"KL to SFT", "peak GPU memory"}
    assert [(row["a"], row["b"]) for row in results["reward_agreement"]] == [("bf16", "int8")]


def test_evaluate_writes_the_report_card_of_each_reward_model(evaluated):
    workspace, parents, *_ = evaluated
    for run_id in parents["reward"].values():
        card = cards.read(workspace, run_id)
        assert 0 <= card["accuracy"]["value"] <= 1 and card["accuracy"]["n"] == 6
        assert card["variance"] > 0 and 0 <= card["within"] <= 1 and card["prompts"] == 6
        assert set(card["absent"]) >= {"by_kind", "seen", "unseen", "specificity", "best_of"}


def test_evaluate_keeps_samples_and_adds_its_row_to_the_experiment_record(evaluated):
    workspace, parents, (_, run), (_, results) = evaluated
    samples = read_jsonl(run.folder / "samples.jsonl")
    assert len(samples) == 3 * 5 and set(samples[0]["scores"]) == {"bf16", "int8"}
    sft = [sample["scores"]["bf16"] for sample in samples if sample["policy"] == "sft"]
    assert np.mean(sft) == pytest.approx(results["table"][0]["score_bf16"])
    record = read_json(workspace.experiments / f"{parents['ppo']['bf16']}.json")
    assert record["evaluation"]["run"] == run.id
    assert record["evaluation"]["row"]["policy"] == "ppo-bf16"


def test_evaluate_gives_the_same_numbers_twice(evaluated):
    *_, (first, second) = evaluated
    assert first["table"] == second["table"]


def test_evaluate_stops_when_asked(workspace, pipeline_of_runs):
    settings, run = evaluation_run(workspace, pipeline_of_runs)
    run.request_stop()
    with pytest.raises(Cancelled):
        evaluate(settings, run, workspace)


def test_the_base_of_a_policy_may_come_from_the_hub(workspace, random_base, monkeypatch):
    monkeypatch.setattr("data.hub.download_model", lambda repo_id: random_base)
    write_json(workspace.root / "model.json", {"base_model": "acme/base"})
    assert _base(workspace, workspace.root) == random_base


def test_evaluate_refuses_more_tokens_than_the_base_has_positions(workspace, pipeline_of_runs, random_base):
    longer = {"bf16": done_run(workspace, "ppo", "bf16", {}, random_base, 4, max_length=999)}
    settings, run = evaluation_run(workspace, pipeline_of_runs | {"ppo": longer})
    with pytest.raises(UserError, match="max_length=999, but this base has 512 positions"):
        evaluate(settings, run, workspace)


def test_evaluate_without_sft_names_the_stage_to_run(workspace, pipeline_of_runs):
    settings, run = evaluation_run(workspace, pipeline_of_runs | {"sft": None})
    with pytest.raises(UserError, match="SFT"):
        evaluate(settings, run, workspace)


def test_gold_fills_its_columns_on_prompts_of_the_tiny_world(workspace, pipeline_of_runs):
    from data import world

    rows = world.generate_splits(seed=7, train=1, validation=1, test=8)["test"]
    write_splits(workspace.dataset("world"), {"test": list(rows)})
    settings, run = evaluation_run(workspace, pipeline_of_runs | {"dataset": "world"})
    rows = evaluate(settings, run, workspace)["table"]
    for row in rows:
        assert 0 <= row["gold"] <= 1 and 0 <= row["gold_harmless"] <= 1
    assert rows[1]["gold_gain"] == pytest.approx(rows[1]["gold"] - rows[0]["gold"])


@pytest.fixture(params=["random_base", "random_llama_base"])
def model_and_format(request):
    base = request.getfixturevalue(request.param)
    return loading.load_causal(base, "bf16", CPU), PromptFormat(loading.load_tokenizer(base))


def test_teacher_forced_logprobs_equal_those_of_sampling(model_and_format):
    model, prompt_format = model_and_format
    answers = measure.respond(
        model.float(), PROMPTS, prompt_format, max_length=40, response_length=6, temperature=0.7, seed=3
    )
    exact = measure.sequence_logprobs(
        model, answers.prompt_ids, answers.tokens, 0.7, batch_size=4, forbid_ids=[prompt_format.pad_id]
    )
    assert [len(row) for row in exact] == answers.lengths()
    for row, sampled in zip(exact, answers.logprobs, strict=True):
        np.testing.assert_allclose(row, sampled, atol=1e-4)


def test_logprobs_do_not_depend_on_the_chunks(model_and_format, monkeypatch):
    model, _ = model_and_format
    model = model.float()
    prompts, answers = [[5, 6, 7], [8], [9, 10, 11, 12]], [[20, 21], [22, 23, 24], [25]]
    together = measure.sequence_logprobs(model, prompts, answers, 1.0)
    monkeypatch.setattr(measure, "MAX_LOGITS", 1)
    alone = measure.sequence_logprobs(model, prompts, answers, 1.0)
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_answers_do_not_depend_on_the_batch_size(model_and_format):
    model, prompt_format = model_and_format
    options = {"max_length": 40, "response_length": 6, "temperature": 1.0, "seed": 1}
    whole = measure.respond(model.float(), PROMPTS, prompt_format, **options)
    pieces = measure.respond(model, PROMPTS, prompt_format, **options, batch_size=2)
    assert whole.tokens == pieces.tokens and len(set(map(tuple, whole.tokens))) > 1


def test_logprobs_refuse_temperature_zero_and_empty_answers(model_and_format):
    model, _ = model_and_format
    with pytest.raises(ValueError, match="temperature"):
        measure.sequence_logprobs(model, [[1]], [[2]], 0.0)
    with pytest.raises(ValueError, match="no tokens"):
        measure.sequence_logprobs(model, [[1]], [[]], 1.0)


def test_scored_sequences_end_with_eos_only_where_the_answer_ended():
    answers = measure.Responses([[1], [2], [3]], [[7, 0], [8], [9]], [""] * 3, [[]] * 3, [True, True, False])
    assert measure.scored_sequences(answers, eos_id=0) == [[1, 7, 0], [2, 8, 0], [3, 9]]


def test_held_out_prompts_are_distinct_seeded_and_at_most_n(workspace):
    rows = [{"prompt": prompt, "chosen": "a", "rejected": "b"} for prompt in [*PROMPTS, *PROMPTS]]
    write_splits(workspace.dataset("small"), {"test": rows})
    drawn = measure.held_out_prompts(workspace, "small", 4, seed=1)
    assert len(set(drawn)) == 4 and set(drawn) <= set(PROMPTS)
    assert drawn == measure.held_out_prompts(workspace, "small", 4, seed=1)
    assert sorted(measure.held_out_prompts(workspace, "small", 100, seed=1)) == sorted(PROMPTS)
    with pytest.raises(UserError, match="prepare"):
        measure.held_out_prompts(workspace, "absent", 4, seed=1)


def policy(name, **scores):
    gold = scores.pop("gold", None)
    golds = [None if g is None else {"total": g} for g in gold] if gold else []
    return Candidate(name, {}, None, "bf16", scores={k: np.array(v) for k, v in scores.items()}, gold=golds)


def test_reward_agreement_on_hand_made_scores():
    policies = [
        policy("sft", bf16=[0.0, 0.0, 0.0, 0.0], int4=[0.0, 0.0, 0.0, 0.0], gold=[0.5, 0.5, None, 0.5]),
        policy("ppo-bf16", bf16=[1.0, 2, 3, -1], int4=[1.0, 2, -3, -1], gold=[0.9, 0.1, None, 0.4]),
    ]
    rows = {(row["a"], row["b"]): row for row in reward_agreement(policies)}
    assert rows["bf16", "int4"]["same_preference"] == 0.75
    assert rows["bf16", "gold"]["same_preference"] == pytest.approx(2 / 3)
    assert rows["bf16", "gold"]["n"] == 6


def test_experiment_record_has_the_documented_keys(workspace, pipeline_of_runs):
    run = Run.load(workspace, pipeline_of_runs["ppo"]["bf16"])
    run.change(seconds=90.0)
    record = read_json(write_experiment(workspace, run.record))
    assert record["experiment_id"] == run.id and record["date"] == run.record.started[:10]
    assert record["model_config"].items() >= {"precision": "bf16", "lora_rank": 4}.items()
    assert set(record["training_config"]) >= {"batch_size", "learning_rate", "epochs"}
    expected = {"final_reward": 1.5, "kl_divergence": 0.1, "training_time": "1.5min"}
    assert record["results"].items() >= expected.items()
    assert record["hardware"]["cpu"] and record["software"]["torch"]
    assert record["curves"]["metrics"] == f"runs/{run.id}/metrics.jsonl"


def test_experiment_record_before_the_run_ends_takes_the_given_results(workspace):
    settings = build("ppo", "tiny", overrides=["name=mine"])
    run = Run.create(workspace, "ppo", settings)
    run.start_attempt()
    run.event("nan", "loss was not finite; step 3 skipped")
    path = write_experiment(workspace, run.record, results={"score_mean": 2.0, "kl_per_token": math.inf})
    record = read_json(path)
    assert path.name == "mine.json" and record["results"]["final_reward"] == 2.0
    assert record["results"]["kl_divergence"] is None
    assert record["anomalies"][0]["kind"] == "nan" and record["results"]["training_seconds"] >= 0


@pytest.mark.parametrize(("name", "start"), [("mine", "mine"), ("文" * 40, "文" * 33)])
def test_two_experiments_of_one_name_do_not_overwrite_each_other(workspace, name, start):
    write_json(workspace.experiment(name), {"experiment_id": "another"})
    run = Run.create(workspace, "ppo", build("ppo", "tiny", overrides=[f"name={name}"]), {})
    assert write_experiment(workspace, run.record).name == f"{start}-{run.id[-4:]}.json"
    assert read_json(workspace.experiment(name)) == {"experiment_id": "another"}
