"""Tasks: the contract in `task`, one task a file."""

import sys

from seqbench.registry import import_members

import_members(sys.modules[__name__])
