"""Alarms of a PPO run: they report known failures that are hard to recognise in the curves.

Each alarm fires once per run, as an event in its record: a gradient that is exactly zero, a collapsing
entropy, a runaway KL, and the classic over-optimisation, in which the reward model's score rises while the
gold reward falls (arXiv 2210.10760). An alarm reports; it does not stop the run.
"""

from __future__ import annotations

from pipeline.runs.record import Run

WINDOW = 5  # steps that each side of a comparison averages
COLLAPSE = 0.1  # share of the first steps' entropy
RUNAWAY_KL = 1.0  # nats per token
HACK_RISE, HACK_FALL = 0.3, 0.03  # standard deviations of score; units of gold


class Alarms:
    """Checks each row of metrics.jsonl."""

    def __init__(self, run: Run):
        self.run = run
        self.rows: list[dict[str, float]] = []
        self.fired: set[str] = set()

    def look(self, row: dict[str, float]) -> None:
        if row.get("grad_norm") == 0.0:
            self._fire(
                "zero gradient", f"step {row['step']}: the gradient is exactly zero; nothing is being learned"
            )
        names = ("objective/scores_standardised", "objective/kl_per_token", "policy/entropy_avg", "gold/mean")
        self.rows.append({name: float(row[name]) for name in names if name in row})
        if len(self.rows) < 2 * WINDOW:
            return
        first, last = self.rows[:WINDOW], self.rows[-WINDOW:]
        entropy = _mean(last, "policy/entropy_avg")
        if entropy < COLLAPSE * _mean(first, "policy/entropy_avg"):
            self._fire(
                "entropy collapse",
                f"entropy fell to {entropy:.3f} nats per token; raise kl_coef or lower learning_rate",
            )
        kl = _mean(last, "objective/kl_per_token")
        if kl > RUNAWAY_KL:
            self._fire(
                "runaway KL",
                f"the policy is {kl:.2f} nats per token from SFT; raise kl_coef or lower learning_rate",
            )
        if all("gold/mean" in seen for seen in (*first, *last)):
            rise = _mean(last, "objective/scores_standardised") - _mean(
                first, "objective/scores_standardised"
            )
            fall = _mean(first, "gold/mean") - _mean(last, "gold/mean")
            if rise > HACK_RISE and fall > HACK_FALL:
                self._fire(
                    "over-optimisation",
                    f"the reward model's score rose by {rise:.2f} sd while gold fell by {fall:.2f}: "
                    "the policy exploits the reward model",
                )

    def _fire(self, kind: str, message: str) -> None:
        if kind not in self.fired:
            self.fired.add(kind)
            self.run.event(kind, message)

    def state(self) -> dict:
        return {"rows": self.rows, "fired": sorted(self.fired)}

    def restore(self, state: dict) -> None:
        self.rows, self.fired = list(state["rows"]), set(state["fired"])


def _mean(rows: list[dict[str, float]], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)
