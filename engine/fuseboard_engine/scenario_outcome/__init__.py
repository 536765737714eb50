"""What happened in a scenario, folded from its events, and the comparison with its expectations."""
