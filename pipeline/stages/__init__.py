"""The stages except PPO, one module per stage; each stage runs in a separate process."""
