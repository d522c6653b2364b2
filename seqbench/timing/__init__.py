"""Timing: speed apart from training, sample by sample, and CPU contention."""
