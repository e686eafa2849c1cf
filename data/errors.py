"""The only kind of error whose message is shown to the user; any other exception is a bug and may crash.

An error states what is wrong and where. The advice depends on where the error is shown: the page gives advice
in two languages (`ui.texts`), and the command line names commands (`pipeline.commands.advice`). Both select
it by the error's code.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """The kind of error. A run's record stores the code of its error as `error_code`."""

    REQUEST = "request"  # the message needs no further advice
    # the request
    OPTION = "option"  # a flag of the command line or of the launcher
    SETTING = "setting"  # a setting's name or value
    NAME = "name"  # a name or path that must not be used
    # data
    FILE = "file"  # a user's file that cannot be read or has a malformed line
    SOURCE = "source"  # an unknown source, or one with too few pairs
    DATASET = "dataset"  # no prepared data set, or one without what a stage needs
    HUB = "hub"  # the Hugging Face hub refuses or cannot be reached
    # runs
    PARENT = "parent"  # an earlier stage has not been completed
    PARENT_RUN = "parent_run"  # the run named as a parent does not fit
    RUN = "run"  # no such run
    STATE = "state"  # the run's state does not allow it
    BUSY = "busy"  # another stage or app uses the workspace
    CANCELLED = "cancelled"  # the run was cancelled on request
    LOST = "lost"  # the run's process died
    NOT_STARTED = "not_started"  # the queue in which the run waited no longer exists
    # training
    DOES_NOT_FIT = "does_not_fit"  # more memory is needed, by the estimate, than is free
    OUT_OF_MEMORY = "out_of_memory"  # memory ran out
    DISK_FULL = "disk_full"
    UNSTABLE = "unstable"  # a loss or gradient is not finite, or jumped
    CHECKPOINT = "checkpoint"  # a checkpoint that does not belong to these settings
    UNEXPECTED = "unexpected"  # a bug; the run's log has its traceback
    # models
    BASE = "base"  # a base model or tokenizer that cannot be used
    MODEL = "model"  # a trained model that is damaged or belongs to another base
    PACKAGE = "package"  # a Python package that is not installed
    # the workspace
    WORKSPACE = "workspace"  # it cannot be written to
    RECORD = "record"  # a file of the workspace that cannot be read
    DATABASE = "database"  # the votes' database cannot be read or written
    # the arena
    PROMPT = "prompt"  # a text that cannot be answered or stored
    ORDER = "order"  # an order of the answers that cannot be read
    ROUND = "round"  # a round or conversation that accepts no vote or question
    VOTED = "voted"  # the round has a vote already
    NO_VOTES = "no_votes"  # there are no votes yet
    POLICIES = "policies"  # too few trained policies
    ANSWERING = "answering"  # the inference process has stopped
    WAIT = "wait"  # the inference process is busy


class UserError(Exception):
    """An error that the user can correct.

    ``str(error)`` is one line that states what is wrong and where, worded for both the page and the command
    line. Characters that UTF-8 cannot encode, such as half a surrogate pair, are escaped. `command` replaces
    the command line's general advice for the code, as in "run `reward --precision int8` first"; the page
    never shows it.
    """

    def __init__(self, message: str, code: Code = Code.REQUEST, command: str = ""):
        line = " ".join(str(message).split())
        super().__init__(line.encode("utf-8", "backslashreplace").decode())
        self.code = Code(code)
        self.command = command
