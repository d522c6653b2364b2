"""Verification: repeated published runs, and whether they are equal."""
