"""Model variants: the contract in `model`, the read-outs in `readout`, one family a file."""

import sys

from seqbench.registry import import_members

import_members(sys.modules[__name__])
