"""``python -m seqbench``: the same command as the console script."""

from seqbench.cli import main

if __name__ == "__main__":
    main()
