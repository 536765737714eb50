"""Several adapters at once, and batches of tasks."""
