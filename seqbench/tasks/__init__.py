"""Tasks: the contract in `task`, each task in its own file."""

import sys

from seqbench.registry import import_members

import_members(sys.modules[__name__])
