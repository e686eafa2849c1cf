"""The advice that the command line and the API append to an error: what to type or send next.

The page has separate advice, which refers to its buttons and tabs (`ui.error_texts`). An error can carry a
`command` that fits better than the general advice for its code; the `command` is then shown instead.
"""

from __future__ import annotations

from data.errors import Code, UserError

# The messages of a code that is not listed here already state what to do, as in "batch_size=7 does not divide
# 8; batch_size=4 does".
ADVICE: dict[Code, str] = {
    Code.FILE: "correct the file and run the command again",
    Code.SOURCE: "choose another source, or one with more pairs",
    Code.DATASET: "run `prepare` first",
    Code.PARENT: "run the earlier stage first, or `all`, which runs every missing stage",
    Code.PARENT_RUN: "choose another run; `status` lists them",
    Code.RUN: "`status` lists the runs",
    Code.STATE: "`status` shows the state of each run",
    Code.BUSY: "wait until it has ended, or stop it with `cancel RUN`",
    Code.CANCELLED: "`resume RUN` continues from the last checkpoint",
    Code.LOST: "`resume RUN` continues from the last checkpoint",
    Code.NOT_STARTED: "`resume RUN` starts it",
    Code.DOES_NOT_FIT: "lower micro_batch_size or set gradient_checkpointing=true",
    Code.OUT_OF_MEMORY: "halve micro_batch_size or set gradient_checkpointing=true, and start again",
    Code.DISK_FULL: "free space on the disk; `resume RUN` continues from the last checkpoint",
    Code.UNSTABLE: "lower learning_rate or max_grad_norm and start again",
    Code.CHECKPOINT: "start a new run",
    Code.UNEXPECTED: "this is a bug: its traceback is in the run's log.txt",
    Code.BASE: "set base_model to another model",
    Code.MODEL: "run the stage that creates it again",
    Code.PACKAGE: "install it into this environment and run the command again",
    Code.WORKSPACE: "make it writable, or choose another folder with --workspace",
    Code.RECORD: "restore the file from a backup or remove it",
    Code.DATABASE: "correct that and try again; the stored votes are unchanged",
    Code.PROMPT: "change the text and ask again",
    Code.ROUND: "ask a question first, then vote on that round",
    Code.VOTED: "retract the vote to vote again",
    Code.NO_VOTES: "vote in the arena first",
    Code.POLICIES: "`all` trains them",
    Code.ANSWERING: "ask again",
    Code.WAIT: "ask again in a moment",
}


def told(error: UserError) -> str:
    """Return one line that states what is wrong and how to correct it from the command line."""
    return with_advice(str(error), error.code, error.command)


def with_advice(message: str, code: str | None, command: str = "") -> str:
    """Return a message with its advice. `code` may come from a run's record, which can lack it or be old."""
    advice = command or (ADVICE.get(Code(code), "") if code in set(Code) else "")
    return f"{message}; {advice}" if advice else message
