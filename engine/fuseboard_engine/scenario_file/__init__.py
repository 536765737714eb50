"""The parts of a scenario file, validated when read, and the contradictions between them."""
