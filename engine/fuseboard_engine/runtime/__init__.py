"""What every room stands on: clocks, the event bus, references to objects by name."""
