"""Measurements and the scripts that ship their results; run each as `python -m benchmarks.NAME`."""
