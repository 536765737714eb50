"""Retries: the policy, the budget, the decision, and the attribution table."""
