"""The pipeline: settings, records of runs, jobs, the training stages and the command line.

`settings`, `runs`, `memory`, `arena` and `commands` load no torch at import (except `arena.worker`, which
runs in its own process); `training`, `stages` and `ppo` do the computation. Importing has no side effects.
Run with: python -m pipeline STAGE
"""
