"""What the libraries grumble about stays out of the log; what they cannot do does not."""

import logging
import subprocess
import sys
import warnings

import pytest
from waiting import NEVER

from pipeline.runs.child import child_environment
from pipeline.runs.quiet import quiet


def test_bitsandbytes_may_report_errors_alone():
    logger = logging.getLogger("bitsandbytes")
    before = logger.level
    try:
        with warnings.catch_warnings():
            quiet()
        inner = logging.getLogger("bitsandbytes.backends.cpu.ops")
        assert not inner.isEnabledFor(logging.WARNING) and inner.isEnabledFor(logging.ERROR)
    finally:
        logger.setLevel(before)


@pytest.mark.slow  # ten seconds of imports
def test_what_the_stages_import_says_nothing():
    command = [sys.executable, "-c", "import pipeline.commands.preload"]
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, timeout=NEVER)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
