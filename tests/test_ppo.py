"""The real PPO loop on a small random base: its contracts, exactness, checks and alarms."""

import json
import math

import pytest
import torch
from little_ppo import PROMPTS, kinds, rows_of, settings_of, stand, trainer_of, weights
from safetensors.torch import load_file

from data.errors import UserError
from data.files import read_json, read_jsonl
from models.actor import REFERENCE
from pipeline.commands import execute as stages
from pipeline.ppo import loop as ppo
from pipeline.ppo import report as ppo_report
from pipeline.ppo.alarms import WINDOW, Alarms
from pipeline.runs.reader import read_run

pytestmark = pytest.mark.usefixtures("nondeterministic_after")
ARMS = [
    ("bf16", "controlled"),
    ("int8", "controlled"),
    ("int4", "controlled"),
    ("int8", "shared"),
    ("int4", "shared"),
]
RESULTS = {
    "score_mean", "score_gain", "kl_per_token", "kl_per_sequence", "win_rate_vs_sft", "n_prompts", "steps",
    "parameters_without_gradient",
}  # fmt: skip
METRICS = {
    "step", "objective/scores", "objective/kl", "objective/rlhf_reward", "policy/approxkl_avg",
    "policy/clipfrac_avg", "policy/entropy_avg", "loss/policy_avg", "loss/value_avg", "response/length",
    "grad_norm", "lr", "wall_seconds",
}  # fmt: skip


class Constant:
    """A scorer that gives every response the same score."""

    reward_model = None

    def __init__(self, value):
        self.value = value

    def score(self, prompts, answers, eos_id, batch_size):
        return torch.full((len(prompts),), self.value)


# -- contracts


@pytest.mark.parametrize(("precision", "mode"), ARMS)
def test_a_run_in_each_precision_and_mode_keeps_its_contracts(workspace, random_base, precision, mode):
    parents = stand(workspace, random_base, precision)
    run = stages.execute("ppo", settings_of(f"mode={mode}", "max_steps=2", precision=precision), workspace)
    record = read_run(workspace, run.id)
    assert record.status == "done" and record.parents.rewards == {precision: parents["reward"]}
    assert set(record.results) >= RESULTS
    assert all(math.isfinite(v) for v in record.results.values() if isinstance(v, float))
    assert record.results["n_prompts"] == 4 and record.results["parameters_without_gradient"] == []
    metrics = read_jsonl(run.folder / "metrics.jsonl")
    assert [row["step"] for row in metrics] == [1, 2]
    assert all(set(row) >= METRICS for row in metrics)
    # The policy equals the reference before the first update and differs afterwards.
    assert metrics[0]["objective/kl"] == 0.0 < abs(metrics[1]["objective/kl"])
    assert all(0 < row["grad_norm"] < 1000 for row in metrics)
    samples = read_jsonl(run.folder / "samples.jsonl")
    assert set(samples[0]) >= {"step", "prompt", "response", "score"} and samples[0]["prompt"] in PROMPTS
    card = read_json(run.model_dir / "model.json")
    assert card["precision"] == (precision if mode == "shared" else "bf16")
    assert (card["mode"], card["reward_precision"]) == (mode, precision)
    moved = load_file(run.model_dir / "adapter_model.safetensors")
    before = load_file(workspace.run(parents["sft"]) / "model" / "adapter_model.safetensors")
    assert set(moved) == set(before) and all(not torch.equal(moved[k], before[k]) for k in moved)
    experiment = read_json(workspace.experiments / f"{run.id}.json")
    assert experiment["results"]["final_reward"] == record.results["score_mean"]
    assert (
        experiment["resources"] == record.resources.to_json()
        and experiment["resources"]["peak_rss_bytes"] > 0
    )


def test_the_same_seed_gives_the_same_run_and_another_gives_another(make_trainer):
    first, again, other = (make_trainer(*extra) for extra in ([], [], ["seed=7"]))
    for trainer in (first, again, other):
        trainer.run_to_end()
    assert rows_of(first.run, "metrics.jsonl") == rows_of(again.run, "metrics.jsonl")
    assert all(torch.equal(p, weights(again)[name]) for name, p in weights(first).items())
    assert rows_of(first.run, "metrics.jsonl") != rows_of(other.run, "metrics.jsonl")


def test_gold_as_the_reward_needs_no_reward_model_and_gives_gold(workspace, random_base):
    prompts = [PROMPTS[1], PROMPTS[5]]
    parents = stand(workspace, random_base, prompts=prompts)
    del parents["reward"]
    trainer = trainer_of(workspace, parents, "reward=gold", "max_steps=1", base=random_base)
    trainer.run_to_end()
    (row,) = read_jsonl(trainer.run.folder / "metrics.jsonl")
    assert row["gold/mean"] == pytest.approx(row["objective/scores"])
    results = ppo_report.final_report(
        trainer.actor, trainer.scorer, trainer.prompt_format, trainer.settings, trainer.run, workspace
    )
    assert {"gold_mean", "gold_sft"} <= set(results)


def test_each_prompt_is_used_once_before_any_is_used_again(make_trainer):
    collector = make_trainer("batch_size=3", "num_minibatches=1", "micro_batch_size=3").collector
    drawn = [prompt for step in range(4) for prompt in collector._batch(step)]
    assert sorted(drawn[:6]) == sorted(drawn[6:]) == sorted(PROMPTS)
    assert drawn[:6] != drawn[6:]


# -- exactness of the loop


def updated(trainer, rollout):
    """The metrics of one update on a rollout."""
    return trainer.learner.update(rollout, 0, 0.002, 1.0, trainer.memory.micro)


def test_the_reference_and_the_base_stay_unchanged_and_every_trained_tensor_changes(make_trainer):
    trainer = make_trainer()
    trained = {id(p) for p in trainer.learner.parameters.values()}
    frozen = {n: p.clone() for n, p in trainer.actor.model.named_parameters() if id(p) not in trained}
    before = weights(trainer)
    trainer.run_to_end()
    now = dict(trainer.actor.model.named_parameters())
    assert all(torch.equal(now[name], p) for name, p in frozen.items())
    assert all(not torch.equal(p, before[name]) for name, p in weights(trainer).items())
    assert trainer.learner.without_gradient == set() and kinds(trainer.run) == []


@pytest.mark.parametrize("micro", [1, 2])
def test_the_result_does_not_depend_on_the_micro_batch_size(make_trainer, micro):
    whole, split = (
        make_trainer("num_minibatches=1", "micro_batch_size=4"),
        make_trainer("num_minibatches=1", f"micro_batch_size={micro}"),
    )
    for trainer in (whole, split):
        trainer.actor.model.float()
        trainer.collector.use_standard(ppo.Standard(0.0, 1.0))
    rollout = whole.collector.collect(0, 0.1)
    rows = [updated(trainer, rollout) for trainer in (whole, split)]
    for name in rows[0]:
        assert rows[1][name] == pytest.approx(rows[0][name], rel=1e-4, abs=1e-6), name
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(weights(split)[name], tensor, rtol=1e-4, atol=1e-5)


def test_checkpointing_of_activations_changes_neither_samples_nor_gradients(make_trainer):
    plain, checkpointing = make_trainer(), make_trainer("gradient_checkpointing=true")
    rollouts = []
    for trainer in (plain, checkpointing):
        trainer.actor.model.float()
        trainer.collector.use_standard(ppo.Standard(0.0, 1.0))
        rollouts.append(trainer.collector.collect(0, 0.1))
    assert rollouts[0].answers.tokens == rollouts[1].answers.tokens
    assert rollouts[1].metrics(0.1)["rollout/logprob_drift"] < 1e-4
    norm = updated(plain, rollouts[0])["grad_norm"]
    assert updated(checkpointing, rollouts[1])["grad_norm"] == pytest.approx(norm, rel=1e-4)


def test_epochs_end_when_the_policy_is_too_far_from_the_rollout(make_trainer):
    patient, careful = make_trainer("epochs=4", "target_kl=0"), make_trainer("epochs=4", "target_kl=1e-12")
    for trainer in (patient, careful):
        trainer.collector.use_standard(ppo.Standard(0.0, 1.0))
    assert updated(patient, patient.collector.collect(0, 0.1))["updates"] == 8
    assert updated(careful, careful.collector.collect(0, 0.1))["updates"] == 2


def test_a_rollout_is_standardised_clipped_penalised_and_summed_by_the_formulas(make_trainer):
    trainer = make_trainer("score_clip=1", "missing_eos_penalty=0.5", "whiten_advantages=false")
    trainer.collector.use_standard(ppo.Standard(0.1, 0.01))
    with torch.no_grad():
        for parameter in trainer.learner.parameters.values():
            parameter += 0.05
    rollout = trainer.collector.collect(0, 0.3)
    kl = ((rollout.logprobs - rollout.ref_logprobs) * rollout.mask).sum(dim=1).cpu()
    expected = ((rollout.raw_scores.cpu() - 0.1) / 0.01).clamp(-1, 1)
    expected = expected - 0.5 * torch.tensor([0.0 if ended else 1.0 for ended in rollout.answers.ended])
    torch.testing.assert_close(rollout.rewards.sum(dim=1).cpu(), expected - 0.3 * kl, rtol=1e-4, atol=1e-4)
    assert kl.abs().max() > 0.01
    whole = rollout.metrics(0.3)
    assert whole["objective/kl"] == pytest.approx(kl.mean().item(), rel=1e-4)
    assert whole["response/length"] == sum(map(len, rollout.answers.tokens)) / 4


class Varied:
    """A scorer that gives each response a different score."""

    reward_model = None

    def score(self, prompts, answers, eos_id, batch_size):
        return torch.linspace(-2, 2, len(prompts))


def passes_of_the_policy(trainer, monkeypatch) -> list[str]:
    """A list that records the adapter of every later pass over a rollout."""
    made, evaluate = [], trainer.actor.evaluate_all

    def noted(rows, adapter, *arguments):
        made.append(adapter)
        return evaluate(rows, adapter, *arguments)

    monkeypatch.setattr(trainer.actor, "evaluate_all", noted)
    return made


def test_with_one_minibatch_its_first_pass_gives_the_old_log_probabilities(make_trainer, monkeypatch):
    trainer = make_trainer("num_minibatches=1", "epochs=3")
    trainer.collector.scorer = Varied()
    trainer.collector.use_standard(ppo.Standard(0.0, 1.0))
    made = passes_of_the_policy(trainer, monkeypatch)
    rollout = trainer.collector.collect(0, 0.1)
    assert made == [REFERENCE] and not rollout.exact
    before = trainer.actor.evaluate_all(rollout.rows, "policy", trainer.settings.temperature, 2)[0]
    got = updated(trainer, rollout)
    assert rollout.exact and torch.equal(rollout.logprobs, before)
    assert 0 < rollout.metrics(0.1)["rollout/logprob_drift"] < 0.02  # bf16 rounds differently in sampling
    assert got["policy/approxkl_avg"] > 0  # from the later epochs


@pytest.mark.parametrize("overrides", [["num_minibatches=2"], ["num_minibatches=1"]])
def test_several_minibatches_or_equal_scores_need_a_separate_pass(make_trainer, monkeypatch, overrides):
    trainer = make_trainer(*overrides)
    trainer.collector.scorer = Varied() if overrides == ["num_minibatches=2"] else Constant(0.0)
    trainer.collector.use_standard(ppo.Standard(0.0, 1.0))
    made = passes_of_the_policy(trainer, monkeypatch)
    rollout = trainer.collector.collect(0, 0.1)
    assert made == [REFERENCE, "policy"] and rollout.exact
    assert torch.equal(rollout.logprobs, rollout.ref_logprobs)


@pytest.mark.parametrize(
    ("precision", "mode", "together"),
    [("bf16", "controlled", True), ("int4", "shared", True), ("int4", "controlled", False)],
)
@pytest.mark.parametrize("minibatches", [1, 2])
def test_adapters_of_one_base_share_one_pass(
    workspace, ppo_parents, random_base, monkeypatch, precision, mode, together, minibatches
):
    overrides = [f"mode={mode}", f"num_minibatches={minibatches}"]
    trainer = trainer_of(workspace, ppo_parents, *overrides, precision=precision, base=random_base)
    trainer.collector.use_standard(ppo.Standard(0.0, 1.0))
    made = passes_of_the_policy(trainer, monkeypatch)
    rollout = trainer.collector.collect(0, 1e-6)
    apart = [REFERENCE] if minibatches == 1 else [REFERENCE, "policy"]
    assert made == ([] if together else apart) and rollout.exact == (minibatches == 2)
    if rollout.exact:
        assert torch.equal(rollout.logprobs, rollout.ref_logprobs)
    expected = trainer.collector._score(rollout.prompts, rollout.answers)
    torch.testing.assert_close(rollout.raw_scores, expected, rtol=0.02, atol=0.02)


def test_equal_scores_are_not_amplified_by_standardisation(make_trainer):
    trainer = make_trainer()
    trainer.collector.scorer = trainer.scorer = Constant(0.3)
    standard = trainer.collector.standard()
    assert standard.sd == 1.0 and standard.mean == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("scheduler", "rates"), [("constant", [1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0.25])]
)
def test_the_learning_rate_follows_its_schedule(make_trainer, scheduler, rates):
    trainer = make_trainer(f"lr_scheduler={scheduler}", "warmup_ratio=0")
    trainer.run_to_end()
    got = [row["lr"] / 0.002 for row in read_jsonl(trainer.run.folder / "metrics.jsonl")]
    assert got == pytest.approx(rates)


def test_the_adaptive_coefficient_moves_and_is_kept(make_trainer):
    trainer = make_trainer("adaptive_kl=true", "kl_target=1000", "kl_horizon=10", "max_steps=2")
    trainer.run_to_end()
    assert trainer.kl_coef == pytest.approx(0.1 * (1 - 0.2 * 4 / 10) ** 2)
    assert read_jsonl(trainer.run.folder / "metrics.jsonl")[1]["objective/kl_coef"] == pytest.approx(0.092)


def test_the_adapter_that_was_saved_is_the_policy_that_was_trained(make_trainer):
    trainer = make_trainer("max_steps=1")
    trainer.run_to_end()
    trainer.save_model()
    saved = load_file(trainer.run.model_dir / "adapter_model.safetensors")
    trained = {k: v for k, v in weights(trainer).items() if k != "value_head.weight"}
    assert set(saved) == set(trained) and all(torch.equal(saved[k], trained[k]) for k in saved)


# -- checks and alarms


def test_more_tokens_than_the_base_has_positions_are_refused(make_trainer):
    with pytest.raises(UserError, match="max_length=999, but this base has 512 positions"):
        make_trainer("max_length=999")


def test_a_reference_that_is_not_the_policy_is_found_before_the_first_step(make_trainer):
    trainer = make_trainer()
    reference = [p for n, p in trainer.actor.model.named_parameters() if f".lora_B.{REFERENCE}." in n]
    reference[0].data += 0.1
    with pytest.raises(RuntimeError, match="mixed up"):
        trainer.run_to_end()
    assert not (trainer.run.folder / "metrics.jsonl").exists()


def test_logits_that_are_not_the_heads_are_found_before_the_first_step(make_trainer, monkeypatch):
    trainer = make_trainer()
    head = trainer.actor.model.get_base_model().lm_head
    head.register_forward_hook(lambda module, inputs, output: 8 * output + 3 * output.cos())
    with pytest.raises(UserError, match="capped"):
        trainer.run_to_end()


def test_an_update_that_starts_at_a_ratio_other_than_1_stops_the_run(make_trainer, monkeypatch):
    trainer = make_trainer()
    collect = trainer.collector.collect

    def shifted(step, kl_coef):
        rollout = collect(step, kl_coef)
        rollout.logprobs -= 0.2
        return rollout

    monkeypatch.setattr(trainer.collector, "collect", shifted)
    with pytest.raises(RuntimeError, match="ratio is not 1"):
        trainer.run_to_end()


def test_a_gradient_of_exactly_zero_is_recorded_as_an_event(make_trainer, monkeypatch):
    trainer = make_trainer("max_steps=1")
    evaluate = trainer.actor.evaluate

    def detached(*args, **options):
        got = evaluate(*args, **options)
        return type(got)(0 * got.logprobs + got.logprobs.detach(), 0 * got.values, got.entropy)

    monkeypatch.setattr(trainer.actor, "evaluate", detached)
    trainer.run_to_end()
    events = trainer.run.record.events
    assert [event.kind for event in events] == ["zero gradient", "zero gradient"]
    assert len(events[1].facts["names"]) == min(20, len(trainer.learner.parameters))


class FakeRun:
    def __init__(self):
        self.events = []

    def event(self, kind, message):
        self.events.append(kind)


def row(score=0.0, kl=0.0, entropy=2.0, gold=None):
    made = {
        "objective/scores_standardised": score, "objective/kl_per_token": kl, "policy/entropy_avg": entropy,
        "objective/kl": 20 * kl, "response/length": 20.0,
    }  # fmt: skip
    return made if gold is None else made | {"gold/mean": gold}


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (row(gold=0.5), []),
        (row(score=1.0, gold=0.6), []),  # score and gold both rise, as intended
        (row(score=1.0, gold=0.3), ["over-optimisation"]),
        (row(entropy=0.1, gold=0.5), ["entropy collapse"]),
        (row(kl=3.0, gold=0.5), ["runaway KL"]),
        (row(score=1.0), []),  # without gold there is nothing to compare with
    ],
)
def test_each_alarm_is_raised_once_and_for_its_own_reason(late, expected):
    run = FakeRun()
    alarms = Alarms(run)
    for step, made in enumerate([row(gold=0.5)] * WINDOW + [late] * (2 * WINDOW)):
        alarms.look({"step": step, **made})
    assert run.events == expected


def test_ppo_against_gold_itself_exploits_nothing():
    run = FakeRun()
    alarms = Alarms(run, against_gold=True)
    for step, gold in enumerate([0.2] * WINDOW + [0.9] * WINDOW + [0.6] * WINDOW):
        alarms.look({"step": step, **row(score=gold * 3, gold=gold)})
    assert run.events == []


def test_alarms_accept_batches_with_and_without_gold_and_survive_a_checkpoint():
    run = FakeRun()
    alarms = Alarms(run)
    for k in range(3 * WINDOW):
        alarms.look({"step": k, **row(gold=0.5 if k % 2 else None)})
    other = Alarms(run)
    other.restore(json.loads(json.dumps(alarms.state())))
    assert other.rows == alarms.rows and run.events == []
