"""Results over time: the trend of each figure, and where its level changed."""
