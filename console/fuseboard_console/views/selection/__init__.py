"""Which rows are shown, and in which order."""
