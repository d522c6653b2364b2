"""Benchmarks of kernels and of the harness itself, by pytest-benchmark: `nox -s micro`."""
