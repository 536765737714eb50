"""Stores in the recording through which an engine keeps dead letters and workflow checkpoints."""
