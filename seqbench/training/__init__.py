"""Training: how one step is computed and an epoch is timed, and what makes it repeatable."""
