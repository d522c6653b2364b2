"""Analysis: the frames that are computed from a result. Nothing is drawn or written here."""
