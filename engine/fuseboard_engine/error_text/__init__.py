"""What an event keeps of an error's text: the provider's message, without secrets, within a limit."""
