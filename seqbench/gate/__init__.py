"""The regression gate: two versions of a code take turns until it is known which is faster."""
