"""What the command line and the API add to an error: what to type or send next.

The page has advice of its own, in its own words (`ui.texts`). An error that names a better `command` than the
general advice for its code comes with it.
"""

from __future__ import annotations

from data.errors import Code, UserError

# A code without a line here has messages that say by themselves what to do, as in "batch_size=7 does not
# divide 8; batch_size=4 does".
ADVICE: dict[Code, str] = {
    Code.FILE: "correct the file and run the command again",
    Code.SOURCE: "choose another source, or one with more pairs",
    Code.DATASET: "run `prepare` first",
    Code.PARENT: "run the earlier stage first, or `all`, which runs what is missing",
    Code.PARENT_RUN: "choose another run; `status` lists them",
    Code.RUN: "`status` lists the runs",
    Code.STATE: "`status` shows the state of each run",
    Code.BUSY: "wait until it has ended, or stop it with `cancel RUN`",
    Code.CANCELLED: "`resume RUN` goes on from the last checkpoint",
    Code.LOST: "`resume RUN` goes on from the last checkpoint",
    Code.NOT_STARTED: "`resume RUN` starts it",
    Code.DOES_NOT_FIT: "lower micro_batch_size or set gradient_checkpointing=true",
    Code.OUT_OF_MEMORY: "halve micro_batch_size or set gradient_checkpointing=true, and start again",
    Code.DISK_FULL: "make room on the disk; `resume RUN` goes on from the last checkpoint",
    Code.UNSTABLE: "lower learning_rate or max_grad_norm and start again",
    Code.CHECKPOINT: "start a new run",
    Code.UNEXPECTED: "this is a bug: its traceback is in the run's log.txt",
    Code.BASE: "set base_model to another model",
    Code.MODEL: "run the stage that makes it again",
    Code.PACKAGE: "install it into this environment and run the command again",
    Code.WORKSPACE: "make it writable, or choose another folder with --workspace",
    Code.RECORD: "restore the file from a backup or remove it",
    Code.DATABASE: "mend that and try again; the votes that are stored stay as they are",
    Code.PROMPT: "change the text and ask again",
    Code.ROUND: "ask first, then vote on your own round",
    Code.VOTED: "retract the vote to vote again",
    Code.NO_VOTES: "vote in the arena first",
    Code.POLICIES: "`all` trains them",
    Code.ANSWERING: "ask once more",
    Code.WAIT: "ask again in a moment",
}


def told(error: UserError) -> str:
    """One line: what is wrong and what to do about it from the command line."""
    return with_advice(str(error), error.code, error.command)


def with_advice(message: str, code: str | None, command: str = "") -> str:
    """A message with its advice; `code` may come from a run's record, where an older one has none."""
    advice = command or (ADVICE.get(Code(code), "") if code in set(Code) else "")
    return f"{message}; {advice}" if advice else message
