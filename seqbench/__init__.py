"""A reproducible benchmark suite for sequence models.

One harness trains every registered variant on every registered task and records accuracy, epoch
time and throughput as CSV; plots and Markdown reports are made from that CSV alone.
"""

__version__ = "0.1.0"
