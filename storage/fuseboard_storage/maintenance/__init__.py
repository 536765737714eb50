"""Maintenance of a recording's file by an operator: what is in it, copies of it, its size, and what it must forget."""
