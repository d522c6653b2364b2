"""The harness: the only training loop, its clock, its random streams, and the runner of specs."""
