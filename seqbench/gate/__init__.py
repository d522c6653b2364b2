"""The regression gate: two versions of a code alternate until it is known which is faster."""
