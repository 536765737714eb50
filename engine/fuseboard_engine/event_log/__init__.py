"""A sentence for each event, log lines through `logging`, and removal of secrets from text."""
