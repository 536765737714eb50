"""The circuit breaker of one adapter."""
