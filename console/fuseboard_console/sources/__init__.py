"""Sources of events: live, replayed, or a scenario that plays."""
