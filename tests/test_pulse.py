"""A working process is distinguished from one that hangs on a machine of any speed."""

import subprocess
import sys

from waiting import eventually

from pipeline.arena.pulse import Pulse


def started(code):
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_the_idle_time_of_a_process_that_hangs_grows():
    process = started("import threading; print(flush=True); threading.Event().wait()")
    try:
        pulse = Pulse(process.pid)
        eventually(lambda: pulse.idle_seconds() > 1.0)
    finally:
        process.kill()
        process.wait()


def test_the_idle_time_of_a_working_process_is_reset():
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


def test_a_process_that_has_ended_is_idle():
    process = started("print(flush=True)")
    process.wait()
    pulse = Pulse(process.pid)
    eventually(lambda: pulse.idle_seconds() > 0.1)
