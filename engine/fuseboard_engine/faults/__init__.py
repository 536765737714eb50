"""Faults that are injected into adapters: by scenarios, and into live engines that allow it."""
