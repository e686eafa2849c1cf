"""Runs on disk: records, lineage, jobs, locks, processes and checkpoints. No torch."""
