"""Scenarios made from the events of a recording."""
