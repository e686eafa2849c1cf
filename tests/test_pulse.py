"""A process that works is told from one that hangs, however slow the machine is."""

import subprocess
import sys

from waiting import eventually

from pipeline.arena.pulse import Pulse


def started(code):
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_a_process_that_waits_for_itself_is_idle_for_longer_and_longer():
    process = started("import threading; print(flush=True); threading.Event().wait()")
    try:
        pulse = Pulse(process.pid)
        eventually(lambda: pulse.idle_seconds() > 1.0)
    finally:
        process.kill()
        process.wait()


def test_the_idle_time_of_a_process_that_works_starts_again_and_again():
    process = started("print(flush=True)\nwhile True: pass")
    try:
        pulse = Pulse(process.pid)
        idle = [pulse.idle_seconds()]

        def fell():
            idle.append(pulse.idle_seconds())
            return idle[-1] < idle[-2]

        eventually(fell)
    finally:
        process.kill()
        process.wait()


def test_a_process_that_is_gone_is_idle():
    process = started("print(flush=True)")
    process.wait()
    pulse = Pulse(process.pid)
    eventually(lambda: pulse.idle_seconds() > 0.1)
