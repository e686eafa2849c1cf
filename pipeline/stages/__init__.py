"""The stages except PPO, one module each; each runs in a process of its own."""
