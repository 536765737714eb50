"""Events, routes and failures as text."""
