"""Settings of all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# No test depends on how fast the machine is.
settings.register_profile("fuseboard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fuseboard")

# A shell that runs the tests in the background lets them, and the programs that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
