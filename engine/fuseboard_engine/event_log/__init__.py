"""A sentence for each event and log lines through `logging`."""
