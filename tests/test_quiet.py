"""Warnings of the libraries stay out of the log; their errors do not."""

import logging
import subprocess
import sys
import warnings

import pytest
from waiting import NEVER

from pipeline.runs.child import child_environment
from pipeline.runs.quiet import quiet


def test_bitsandbytes_reports_errors_only():
    logger = logging.getLogger("bitsandbytes")
    before = logger.level
    try:
        with warnings.catch_warnings():
            quiet()
        inner = logging.getLogger("bitsandbytes.backends.cpu.ops")
        assert not inner.isEnabledFor(logging.WARNING) and inner.isEnabledFor(logging.ERROR)
    finally:
        logger.setLevel(before)


@pytest.mark.slow  # imports for about ten seconds
def test_the_imports_of_the_stages_print_nothing():
    command = [sys.executable, "-c", "import pipeline.commands.preload"]
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, timeout=NEVER)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
