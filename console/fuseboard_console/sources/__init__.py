"""Where events come from: live, replayed, or a scenario that plays."""
