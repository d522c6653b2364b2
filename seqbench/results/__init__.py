"""Results: records to CSV by one writer, and CSV to checked data frames for everyone else."""
