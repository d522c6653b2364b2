"""The harness: from a suite to runs, and the life of a run, however it ends."""
