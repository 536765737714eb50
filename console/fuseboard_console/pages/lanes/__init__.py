"""The page of lanes: all adapters over time."""
