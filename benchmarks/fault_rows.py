"""The rows of the fault matrix: each fault and the required behaviour.

A test names the rows that it covers with `@pytest.mark.faults(14, 42)`. A row that tests cannot cover completely
has a reason here. `benchmarks.fault_table` writes the table.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A fault and the required behaviour. untried: the part that tests do not cover, and the reason; or ""."""

    fault: str
    must: str
    untried: str = ""


ROWS = {
    1: Row("kill -9 in mid-save", "the partial checkpoint is ignored, the previous one resumes bit-exact"),
    2: Row("kill -9 between saves", "shown as lost at once, resumable"),
    3: Row("the app is killed between COMMIT and answer", "a retry with the same id gives one row"),
    4: Row("the app is killed before COMMIT", "no row, no answer"),
    5: Row(
        "power loss",
        "acknowledged votes survive: synced before the answer",
        "The tests do not cut the power, and a kill keeps the page cache; they record the calls of fsync.",
    ),
    6: Row("the app is killed in mid-training", "the training continues and the next app takes it over"),
    7: Row("a process id is used again", "an unrelated process never gets a signal"),
    8: Row("a child ignores SIGTERM", "its whole group is gone by the deadline, cancelled"),
    9: Row("a trainer hangs", "a warning after three minutes of silence, cancel works"),
    10: Row("the disk is full at a checkpoint", "failed: disk full; the old checkpoint is intact"),
    11: Row("the disk is full on a vote", "an error, no acknowledgement; recovers"),
    12: Row("the workspace is read-only", "refused at start"),
    13: Row("truncated safetensors", "an error that names the file; the older checkpoint is used"),
    14: Row("a flipped bit in weights", "refused by its hash"),
    15: Row("files are cut while they are served", "no SIGBUS, the same answers"),
    16: Row("corrupt run.json", "set aside, the others are listed"),
    17: Row("corrupt database", "refused, the original is kept"),
    18: Row("the loss becomes NaN", "undone from the last finite checkpoint; a gap in the chart, not 0"),
    19: Row("out of memory", "half the micro-batch, twice the accumulation, recorded; else failed with a hint"),
    20: Row(
        "the kernel kills for memory",
        "not shown as cancelled",
        "The tests send SIGKILL, as the kernel does; a real shortage of memory could end other processes.",
    ),
    21: Row("two apps on one workspace", "the second is refused and names the holder"),
    22: Row("a stale lock after kill -9", "starts"),
    23: Row("the clock moves by a day", "nothing is lost, the order stays"),
    24: Row("32 raters at once", "acknowledged = rows, p99 under 2 s"),
    25: Row("a double click or a retry", "one row"),
    26: Row("a vote on an unknown or foreign round", "rejected"),
    27: Row("a prompt of 10 MB", "rejected before it is tokenised"),
    28: Row("emoji, right-to-left, NUL, lone surrogates", "an exact round trip or a clean refusal"),
    29: Row("<script>, onerror, a remote image in the chat", "inert, no request to the outside"),
    30: Row("special tokens in a person's text", "cannot forge a role or a stop"),
    31: Row("BOM, CRLF, blank lines", "the same rows"),
    32: Row("invalid UTF-8, truncated, deeply nested", "an error with the line's number"),
    33: Row("NaN, a missing key, a wrong type", "rejected with line and reason"),
    34: Row("a date as a prompt", "stays text"),
    35: Row("duplicates, chosen = rejected", "dropped and counted"),
    36: Row("gzip named .jsonl, a line without an end", "rejected in bounded memory"),
    37: Row("../x, absolute, NUL, CON, too long, a link as a name", "rejected before anything runs"),
    38: Row("a model with pickled weights or code of its own", "refused, no code runs"),
    39: Row("an endless chat template", "ends in time"),
    40: Row("a name on the hub: absent, gated, offline, silent", "a clear error within 15 s"),
    41: Row("an adapter of another base", "refused"),
    42: Row("missing layers; a language model as a reward model", "refused"),
    43: Row("a wrong tokenizer", "refused by its hash"),
    44: Row("the port is in use", "a clear error"),
    45: Row("the page is closed in mid-stream", "the generation stops, the training continues"),
    46: Row("a foreign Origin or Host, a flood of logins", "403, 429"),
    47: Row("=cmd() in an exported cell", "neutralised"),
    48: Row("the inference process is killed in mid-answer", "the round is void, the process is started again"),
    49: Row("a payload names a file of the server or an address", "refused in every slot of every endpoint"),
    50: Row("a rater claims to be another", "the login counts; votes on others' rounds are refused"),
    51: Row("a call without a login or with the wrong role", "refused by every endpoint"),
    52: Row("half-open connections, endless bodies, JSON with 90,000 keys", "the page answers others"),
    53: Row(
        "power loss around a checkpoint or an end",
        "synced: weights before done, checkpoints/ before an older one is removed",
        "The tests do not cut the power; they record the order of fsync, rename and removal.",
    ),
    54: Row("a kill after the last checkpoint", "the same results, metrics, samples and weights"),
    55: Row("temporary files of killed processes", "removed at the next start, and nothing else"),
    56: Row("a backup while the app runs; damage to it", "every acknowledged vote in it; damage is refused"),
    57: Row("a run is deleted that others depend on", "they are named first; a kill leaves no half of it"),
    58: Row("stages, commands and endpoints with hostile names", "nothing outside workspace and caches is opened"),
    59: Row("a damaged or incomplete parent, base or data set", "every stage names the file in one sentence"),
    60: Row("the migration of an older database fails", "the old database is unchanged"),
    61: Row("somebody reads the database", "it holds no cookie and no login; a returning rater is recognised"),
    62: Row("file handles run out", "no record is touched and no vote half stored; afterwards all is there"),
    63: Row("the disk is full at any write, a cancel or the app's start", "failed: disk full, or it works"),
    64: Row("memory is squeezed (RLIMIT_AS) at several places", "done with less, or failed: out of memory"),
    65: Row("the inference process hangs", "it is replaced within 15 s"),
    66: Row("a run is killed before its first attempt", "it is shown as lost at once"),
    67: Row("stages of a killed `all` still run", "others wait or are refused; unfinished files stay"),
    68: Row("records, metrics and queue of any shape", "they are shown as damaged; the others are listed"),
}  # fmt: skip
