"""One adapter in detail: figures, charts, state over time."""
