"""Hostile commands and files: seqbench's reaction, counted; `nox -s hostile`.

Every family yields trials: a command, what is in its folder, and its expected outcome. A trial has
a fault if the command ends in a traceback, hangs, ends with an exit code that is not documented,
takes what is known to be bad silently, refuses what is known to be good, or if a row of the result
that lay there is not found any more.
"""
