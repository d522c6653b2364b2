"""The library behind torch's profiler, kept quiet."""

import os

_QUIET = "99"  # Kineto would report its own stages


def silence_kineto() -> None:
    """Keep the profiler's library from reporting its own stages, if it has not been used yet."""
    os.environ.setdefault("KINETO_LOG_LEVEL", _QUIET)
