"""Verification: published runs again, and whether they come to the same."""
