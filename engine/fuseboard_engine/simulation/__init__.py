"""Simulated adapters: their latencies, their recorded calls, and how they meet faults."""
