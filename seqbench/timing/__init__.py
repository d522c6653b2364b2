"""Timing: speed apart from training, sample by sample, and what else the machine did."""
