"""Where an engine keeps dead letters and checkpoints: in its recording."""
