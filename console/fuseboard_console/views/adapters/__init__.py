"""Adapters as rows."""
