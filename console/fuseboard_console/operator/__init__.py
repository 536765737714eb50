"""An operator's commands: who asks, of whom, and what comes of it."""
