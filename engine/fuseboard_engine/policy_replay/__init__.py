"""Recorded attempts, replayed under other policies."""
