"""Measurements that the project holds itself to; `python -m benchmarks` runs them all."""
