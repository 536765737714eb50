"""Health checks: their policy, verdicts, checker, history and report."""
