"""Which lines are shown, and in what order."""
