"""Status, engines, health and scenarios as lists."""
