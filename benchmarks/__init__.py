"""Benchmarks, and scripts that publish results; run each as `python -m benchmarks.NAME`."""
