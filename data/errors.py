"""The one kind of error that is shown to the user as it stands; everything else is a bug and may crash.

An error says what is wrong and where. What to do about it depends on where it is read: the page gives advice
in its own words and in two languages (`ui.texts`), the command line names commands
(`pipeline.commands.advice`); both go by the error's code.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """What kind of thing is wrong. A run's record keeps the code of its error as `error_code`."""

    REQUEST = "request"  # the message says everything there is to say
    # what was asked for
    OPTION = "option"  # a flag of the command line or of the launcher
    SETTING = "setting"  # a setting's name or value
    NAME = "name"  # a name or path that must not be used
    # data
    FILE = "file"  # a file of the user's that cannot be read or holds a malformed line
    SOURCE = "source"  # a source that is none, or holds too few pairs
    DATASET = "dataset"  # no prepared data set, or one without what a stage needs
    HUB = "hub"  # the Hugging Face hub refuses or cannot be reached
    # runs
    PARENT = "parent"  # an earlier stage has not been done yet
    PARENT_RUN = "parent_run"  # the run that was named as a parent does not fit
    RUN = "run"  # no such run
    STATE = "state"  # the run's state does not allow it
    BUSY = "busy"  # another stage or app has the workspace
    CANCELLED = "cancelled"  # the run was asked to stop
    LOST = "lost"  # the run's process died
    NOT_STARTED = "not_started"  # the queue in which the run waited is gone
    # training
    DOES_NOT_FIT = "does_not_fit"  # the estimate says that memory will not suffice
    OUT_OF_MEMORY = "out_of_memory"  # memory ran out
    DISK_FULL = "disk_full"
    UNSTABLE = "unstable"  # a loss or gradient is not finite, or jumped
    CHECKPOINT = "checkpoint"  # a checkpoint that does not belong to these settings
    UNEXPECTED = "unexpected"  # a bug; the run's log has its traceback
    # models
    BASE = "base"  # a base model or tokenizer that cannot be used
    MODEL = "model"  # a trained model that is damaged or belongs to another base
    PACKAGE = "package"  # a package of Python that is not installed
    # the workspace
    WORKSPACE = "workspace"  # it cannot be written to
    RECORD = "record"  # a file of the workspace that cannot be read
    DATABASE = "database"  # the votes' database cannot be read or written
    # the arena
    PROMPT = "prompt"  # a text that cannot be asked or stored
    ORDER = "order"  # an order of the answers that cannot be read
    ROUND = "round"  # a round or conversation that takes no vote or question
    VOTED = "voted"  # the round has a vote already
    NO_VOTES = "no_votes"  # nothing was voted on yet
    POLICIES = "policies"  # too few trained policies
    ANSWERING = "answering"  # the process that answers has stopped
    WAIT = "wait"  # the process that answers is occupied


class UserError(Exception):
    """Something that the user can mend.

    ``str(error)`` is one line: what is wrong and where, in words that fit the page and the command line. What
    it quotes and is no text, such as half a surrogate pair, is shown escaped, so that it can always be sent.
    `command` is what the command line adds instead of its general advice for the code, as in
    "run `reward --precision int8` first"; the page never shows it.
    """

    def __init__(self, message: str, code: Code = Code.REQUEST, command: str = ""):
        line = " ".join(str(message).split())
        super().__init__(line.encode("utf-8", "backslashreplace").decode())
        self.code = Code(code)
        self.command = command
