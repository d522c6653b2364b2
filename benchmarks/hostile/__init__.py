"""Hostile commands and files: what seqbench says to them, counted; `nox -s hostile`.

Every family yields trials: a command, what lies in its folder, and what must come of it. A trial
has a fault if the command ends in a traceback, hangs, ends with an exit code that is not
documented, takes what is known to be bad without a word, refuses what is known to be good, or if a
row of the result that lay there is not found any more.
"""
