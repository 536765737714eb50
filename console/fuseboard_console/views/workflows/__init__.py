"""Runs of workflows as rows and graphs."""
