"""Waiting for events in other threads and processes, on a machine of any speed."""

import time

NEVER = 600.0  # seconds after which a test fails because an awaited event has not happened


def eventually(condition, what="it"):
    """Wait until `condition()` is true and return what it returned."""
    deadline = time.monotonic() + NEVER
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} never happened"
        time.sleep(0.02)
    return found
