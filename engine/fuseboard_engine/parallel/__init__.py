"""Parallel execution of one task on several adapters, and batches of tasks."""
