"""PPO of the SFT policy against a reward model (or the tiny world's gold reward itself).

One step samples responses, scores them, turns scores and KL into token rewards, estimates advantages, and
makes several epochs of clipped updates. Policy and reference are adapters on one base. The reward model is a
third adapter on it if its precision is the base's (or the mode is shared); otherwise it has a separate base.
Every random choice of a step is drawn from the seed and the step's number, so a resumed run continues exactly
like an undisturbed one. `core.py` has the arithmetic, `rollout.py` collects a rollout, `learner.py` makes the
updates, `pipeline.training.recovery` decides how to recover from errors, `report.py` computes the final
figures. TRL no longer ships PPO, and the loop is the subject of this project, so it is written by hand.

    python -m pipeline ppo --precision int4 --set max_steps=20
"""

from __future__ import annotations

import copy
import gc
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from data.datasets import read_split
from data.errors import Code, UserError
from data.safety_pairs import practice_prompts
from data.workspace import Workspace
from evaluation import bag_of_words
from models import adapters
from models.actor import POLICY, REWARD, Actor, Rows
from models.loading import check_length, device, load_tokenizer, resolve_base
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.ppo import core as ppo_core
from pipeline.ppo.alarms import Alarms
from pipeline.ppo.learner import Learner, learning_rate
from pipeline.ppo.report import final_report, probe_safety, sample_answers
from pipeline.ppo.rollout import Collector, Scorer, Standard
from pipeline.runs import checkpoints, phases, snapshots
from pipeline.runs.record import Cancelled, Run
from pipeline.runs.record_file import Parents
from pipeline.settings.fields import PpoSettings
from pipeline.training import distributed, measure
from pipeline.training.recovery import Memory, Stability, Unstable, is_out_of_memory

SAMPLES = 4  # held-out prompts whose answers are recorded


def train(settings: PpoSettings, run: Run, workspace: Workspace) -> dict:
    """Train a policy into the run's model folder; returns the `results` of run.json (docs/run-record.md)."""
    trainer = Trainer(settings, run, workspace)
    trainer.run_to_end()
    if not run.leads:
        return {}
    trainer.save_model()
    run.phase(phases.EVALUATING, settings.eval_prompts)
    results = final_report(trainer.actor, trainer.scorer, trainer.prompt_format, settings, run, workspace)
    return results | trainer.facts()


class Trainer:
    """The loop; its attributes are what a checkpoint has to contain."""

    def __init__(self, settings: PpoSettings, run: Run, workspace: Workspace):
        self.settings, self.run = settings, run
        parents = run.record.parents
        sft_model = workspace.run(parents.sft) / "model"
        base = resolve_base(settings.base_model)
        self.prompt_format = PromptFormat(load_tokenizer(base))
        policy_precision = settings.precision if settings.mode == "shared" else "bf16"
        self.actor = Actor.load(
            sft_model, base, policy_precision, device(), self.prompt_format.pad_id, self.prompt_format.eos_id
        )
        check_length(self.actor.model, settings.max_length)
        if settings.gradient_checkpointing:
            self.actor.checkpoint_activations()
        if settings.compile:
            self.actor.compile_passes()
        self.scorer = Scorer(
            settings.reward,
            self._reward_model(workspace, parents, base, policy_precision),
            _words(workspace, parents.dataset) if settings.reward == "bag-of-words" else None,
        )
        prompts = _prompts(workspace, parents.dataset, settings)
        self.watched = measure.held_out_prompts(workspace, parents.dataset, SAMPLES, settings.seed)
        micro = distributed.micro_batch(
            settings.micro_batch_size, settings.batch_size // settings.num_minibatches
        )
        self.memory = Memory(micro, settings.batch_size, settings.gradient_checkpointing)
        self.stability = Stability()
        self.collector = Collector(
            self.actor, self.scorer, self.prompt_format, settings, prompts, self.memory
        )
        self.learner = Learner(self.actor, settings)
        self.total = settings.max_steps or math.ceil(len(prompts) / settings.batch_size)
        self.step, self.kl_coef = 0, settings.kl_coef
        self.alarms = Alarms(run, against_gold=settings.reward == "gold")
        self.standard: Standard | None = None

    def _reward_model(
        self, workspace: Workspace, parents: Parents, base: Path, policy_precision: str
    ) -> RewardModel | None:
        if self.settings.reward != "model":
            return None
        folder = workspace.run(parents.rewards[self.settings.precision]) / "model"
        precision = self.settings.scoring or self.settings.precision
        if precision != policy_precision:
            return RewardModel.load(folder, base, precision, self.actor.device)
        adapters.load(self.actor.model, folder, REWARD, base=base)
        self.actor.use(POLICY)
        head = adapters.load_head(folder).to(self.actor.device)
        return RewardModel(self.actor.model, head, adapter=REWARD)

    # -- the loop

    def run_to_end(self) -> None:
        self.run.set_total(self.total)
        if not self._resume():
            self._check_start()
            self.run.phase(phases.STANDARDISING)
            self._with_the_memory_there_is(self._standardise)
            self.run.phase(phases.STEPS)
            self.run.cut_back(0, forget=lambda row: True)  # of an attempt that ended before the next line
            self._sample()
            self._save()  # the target of a first roll-back
        while self.step < self.total:
            try:
                self._with_the_memory_there_is(self._one_step)
            except Unstable as trouble:
                self._roll_back(trouble)
                continue
            stop = self.run.should_stop() and self.step < self.total
            if self.step % self.settings.save_steps == 0 or stop or self.step == self.total:
                self._save()
            if stop:
                raise Cancelled
        names = sorted(self.learner.without_gradient)
        if names:
            self.run.event(
                "zero gradient", f"{len(names)} trained tensors never had a gradient", names=names[:20]
            )

    def _standardise(self) -> None:
        self.standard = self.collector.standard()
        self.collector.use_standard(self.standard)

    def _one_step(self) -> None:
        settings = self.settings
        rollout = self.collector.collect(self.step, self.kl_coef)
        rate = learning_rate(settings, self.step, self.total) * self.stability.rate(self.step)
        clip = self.stability.clip(settings.max_grad_norm)
        update = self.learner.update(rollout, self.step, rate, clip, self.memory.micro)
        row = {"step": self.step + 1, **rollout.metrics(self.kl_coef), **update, "lr": rate}
        self.stability.check(row, settings.vf_coef)
        if settings.adaptive_kl:
            self.kl_coef = ppo_core.next_kl_coef(
                self.kl_coef, row["objective/kl"], settings.kl_target, settings.kl_horizon, len(rollout.rows)
            )
        self.step += 1
        safety = settings.safety_steps and self.run.leads
        if safety and (self.step % settings.safety_steps == 0 or self.step == self.total):
            row |= probe_safety(self.actor, self.prompt_format, settings, in_world=rollout.gold is not None)
        if self.step % settings.sample_steps == 0 or self.step == self.total:
            self._sample()
        self.run.log(row)
        self.alarms.look(row)

    def _sample(self) -> None:
        """Record the answers to the same held-out prompts at each such step, so that one sees them change."""
        if self.run.leads:
            for sample in sample_answers(
                self.actor, self.scorer, self.prompt_format, self.settings, self.watched
            ):
                self.run.sample({"step": self.step, **sample})

    def _check_start(self) -> None:
        """Check that policy and reference agree exactly: they have the same weights, so their KL is zero."""
        prompt = self.collector.prompt_ids[0]
        rows = Rows([prompt], [prompt[:8]])
        got = [
            self.actor.evaluate_all(rows, name, self.settings.temperature, 1)[0] for name in ("policy", "sft")
        ]
        if not torch.equal(*got):
            raise RuntimeError(
                "policy and reference differ before the first update; the adapters are mixed up"
            )
        whole = measure.sequence_logprobs(
            self.actor.model, rows.prompts, rows.responses, self.settings.temperature,
            forbid_ids=[self.prompt_format.pad_id],
        )  # fmt: skip
        if (torch.from_numpy(whole[0]) - got[0][0].cpu()).abs().mean() > 0.2:
            raise UserError(
                f"base_model={self.settings.base_model}: its logits are not its head times its last states "
                "(scaled or capped logits?); PPO cannot train on this kind of model",
                code=Code.BASE,
            )

    # -- recovery from errors (`pipeline.training.recovery` decides)

    def _with_the_memory_there_is(self, work: Callable[[], None]) -> None:
        """Do the work; if memory runs out, restore the state before it and repeat it with less at once."""
        # With several processes the others would wait for this one in the middle of the step.
        if distributed.process_count() > 1:
            return work()
        while True:
            before, error = self._state(), None
            try:
                return work()
            except (MemoryError, RuntimeError, OSError) as caught:
                if not is_out_of_memory(caught) or (done := self.memory.take_less()) is None:
                    raise
                error = str(caught).splitlines()[0][:200] if str(caught) else type(caught).__name__
            # Outside the except block the traceback is gone, and with it the tensors of the failed attempt.
            self._restore(before | {"memory": asdict(self.memory)})
            gc.collect()
            if self.actor.device.type == "cuda":
                torch.cuda.empty_cache()
            self.run.event(
                "out of memory", f"step {self.step + 1}: {done}; the step is repeated", error=error
            )

    def _roll_back(self, trouble: Unstable) -> None:
        """Return to the last checkpoint and continue more gently; UserError after too many roll-backs."""
        step, stability = self.step + 1, self.stability
        if stability.failed_at_once(step) and self.run.leads:
            checkpoints.give_up_newest(self.run.checkpoints_dir)
        self._resume()
        self.stability.tries = stability.tries
        if not self.stability.go_on_from(self.step, self.total):
            raise UserError(
                f"ppo: {trouble} in step {step}, after {stability.tries} roll-backs; "
                "the checkpoint before it is complete",
                code=Code.UNSTABLE,
                command="lower learning_rate or raise kl_coef and start again",
            )
        self._save()
        now, clip = self.stability, self.stability.clip(self.settings.max_grad_norm)
        self.run.event(
            "instability",
            f"step {step}: {trouble}; back to step {self.step} with the learning rate times "
            f"{0.5**now.tries:g}, a warm-up of {now.warm_steps} steps and gradients clipped at {clip:g}",
            step=step,
        )

    # -- state that is saved and restored

    def _save(self) -> None:
        if not self.run.leads:
            return
        if self.settings.snapshots and snapshots.due(self.step, self.settings.save_steps, self.total):
            # Before the checkpoint, so that a run which goes on from there has it.
            self._save_adapter(snapshots.folder_of(self.run.folder, self.step), torch.bfloat16)
        state = self._state()
        self.run.sync_logs()
        checkpoints.save(
            self.run.checkpoints_dir, self.step, lambda folder: torch.save(state, folder / "state.pt")
        )

    def _state(self) -> dict:
        """A copy of everything that the next step depends on, except frozen weights and settings."""
        state = {
            "step": self.step,
            "learner": self.learner.state(),
            "kl_coef": self.kl_coef,
            "standard": asdict(self.standard) if self.standard else None,
            "alarms": self.alarms.state(),
            "memory": asdict(self.memory),
            "stability": asdict(self.stability),
        }
        return copy.deepcopy(state)

    def _restore(self, state: dict) -> None:
        self.learner.restore(state["learner"])
        self.step, self.kl_coef = state["step"], state["kl_coef"]
        if state["standard"]:
            self.standard = Standard(**state["standard"])
            self.collector.use_standard(self.standard)
        self.alarms.restore(state["alarms"])
        self.stability = Stability(**state["stability"])
        self.memory = self.collector.memory = Memory(**state["memory"])
        if self.memory.checkpointing and not self.actor.checkpointing:
            self.actor.checkpoint_activations()
        self.actor.use(POLICY)

    def _resume(self) -> bool:
        state = distributed.from_leader(self._newest)
        if state is None:
            return False
        self._restore(state)
        self.run.cut_back(self.step)
        if self.run.leads:
            snapshots.drop_after(self.run.folder, self.step)
        return True

    def _newest(self) -> dict | None:
        """The state of the newest complete checkpoint, on the CPU."""
        found = checkpoints.latest(self.run.checkpoints_dir)
        return found and torch.load(found[1] / "state.pt", map_location="cpu", weights_only=True)

    def save_model(self) -> None:
        self._save_adapter(self.run.model_dir)

    def _save_adapter(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        adapters.save(
            self.actor.model,
            folder,
            POLICY,
            base=self.actor.base,
            precision=self.settings.precision if self.settings.mode == "shared" else "bf16",
            name=self.settings.base_model,
            extra={"reward_precision": self.settings.precision, "mode": self.settings.mode},
            dtype=dtype,
        )

    def facts(self) -> dict:
        return {
            "steps": self.step,
            "kl_coef": self.kl_coef,
            "standardisation": asdict(self.standard) if self.standard else None,
            "parameters_trained": len(self.learner.parameters),
            "parameters_without_gradient": sorted(self.learner.without_gradient),
        }


def _words(workspace: Workspace, dataset: str) -> bag_of_words.BagOfWords:
    """The bag of words that the training pairs of a data set give."""
    rows = read_split(workspace.dataset(dataset), "train")
    return bag_of_words.fit([row["chosen"] for row in rows], [row["rejected"] for row in rows])


def _prompts(workspace: Workspace, dataset: str, settings: PpoSettings) -> list[str]:
    """The prompts of the training split and of the built-in safety pairs, without duplicates."""
    prompts = list(dict.fromkeys(row["prompt"] for row in read_split(workspace.dataset(dataset), "train")))
    if not prompts:
        raise UserError(
            f"data set {dataset!r} has no training prompts",
            code=Code.DATASET,
            command="prepare it from more rows",
        )
    prompts = prompts[: settings.max_rows] if settings.max_rows else prompts
    return list(dict.fromkeys([*prompts, *practice_prompts(settings.safety_pairs, settings.seed)]))
