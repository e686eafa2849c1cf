"""PPO: the loop, its arithmetic, rollouts, updates, alarms and the final report."""
