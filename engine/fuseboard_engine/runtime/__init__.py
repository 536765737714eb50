"""The basis of all rooms: the wall clock, the event bus, references to Python objects by name."""
