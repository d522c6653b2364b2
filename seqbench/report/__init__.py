"""The report: the frames of an analysis as a page of tables, figures and sentences."""
