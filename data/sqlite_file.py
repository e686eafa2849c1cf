"""One SQLite file: an acknowledged write is on disk, and a damaged file is refused, not repaired.

SQLite before 3.51.3 can corrupt a WAL database that two connections use, so the rollback journal is used
there. Writes are IMMEDIATE transactions: a transaction that starts as a reader and turns writer would fail
under load. Waiting writes share one transaction (group commit), because the sync to disk takes most of the
time. No library offers group commit for SQLite, so it is written by hand.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from data.errors import Code, UserError
from data.files import disk_full

BUSY_SECONDS = 20.0
Result = TypeVar("Result")


class SqliteFile:
    """Open (or create, with `schema`) the file at `path`; several threads may use one object.

    application_id marks the file as this program's; version is the schema's. migrations: {version: a function
    that migrates a file of that version to the next}. All migrations of a file run in one transaction, so
    that a crash leaves either the old version or the new one. Raises UserError if the file is damaged,
    belongs to another program, or has a newer version; the file is left unchanged.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: str,
        application_id: int,
        version: int,
        migrations: Mapping[int, Callable[[sqlite3.Connection], None]] | None = None,
    ):
        self.path = Path(path)
        self._lock = threading.Lock()  # held by the thread that uses the connection
        self._turn = threading.Condition()  # guards the next two attributes
        self._waiting: list[_Write] = []
        self._writing = False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        try:
            self._db.row_factory = sqlite3.Row
            self._check(application_id, version)
            self._configure()
            self._create(schema, application_id, version, migrations or {})
        except sqlite3.Error as error:
            self.close()
            raise disk_full(error) or self._unreadable(error) from error
        except UserError:
            self.close()
            raise

    def _unreadable(self, error: sqlite3.Error) -> UserError:
        return UserError(
            f"{self.path}: cannot be read as a database ({error}); it was left untouched",
            code=Code.DATABASE,
            command="restore a backup, or move the file away to start with an empty one",
        )

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def write(self, job: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `job(connection)` in a transaction; returns its result when it is synced to disk.

        If a job raises, nothing of it is stored. Jobs that wait at the same time share a transaction; if one
        raises, only that one is undone. Raises UserError if SQLite cannot write (disk full, read-only, locked
        too long by another program).
        """
        mine = _Write(job)
        with self._turn:
            self._waiting.append(mine)
            while self._writing and not mine.done:
                self._turn.wait()
            if not mine.done:
                self._writing = True  # this thread stores the writes of all threads that wait
        if not mine.done:
            self._store_waiting()
        if mine.error is not None:
            raise mine.error
        return cast(Result, mine.result)

    def _store_waiting(self) -> None:
        batch: list[_Write] = []
        try:
            with self._lock:
                with self._turn:
                    batch, self._waiting = self._waiting, []
                if not self._store(batch):
                    for write in batch:  # one failed and undid the others, so each is stored separately
                        self._store([write])
        finally:
            with self._turn:
                for write in batch:
                    write.done = True
                self._writing = False
                self._turn.notify_all()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection for reading; no other thread runs a statement until the block ends."""
        with self._lock:
            yield self._db

    def _check(self, application_id: int, version: int) -> None:
        verdict = self._pragma("quick_check(1)")
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        has_tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0
        if has_tables and self._pragma("application_id") != application_id:
            raise UserError(f"{self.path}: is another program's database; move it away", code=Code.DATABASE)
        if self._pragma("user_version") > version:
            raise UserError(
                f"{self.path}: was written by a newer version of this program; update the program",
                code=Code.DATABASE,
            )

    def _configure(self) -> None:
        safe_wal = sqlite3.sqlite_version_info >= (3, 51, 3)
        self._pragma(f"journal_mode = {'WAL' if safe_wal else 'DELETE'}")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if safe_wal else 'EXTRA'}")
        self._db.execute("PRAGMA foreign_keys = ON")

    def _create(
        self,
        schema: str,
        application_id: int,
        version: int,
        migrations: Mapping[int, Callable[[sqlite3.Connection], None]],
    ) -> None:
        if self._pragma("user_version") == version:
            return

        def create(db: sqlite3.Connection) -> bool:
            # read again, because another program may have migrated the file
            found: int = self._pragma("user_version")
            if found == 0:
                for statement in schema.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {application_id}")
            for step in range(found, version) if found else ():
                migrations[step](db)
            db.execute(f"PRAGMA user_version = {version}")
            return found != 0

        if self.write(create):
            self._db.execute("VACUUM")  # what a migration replaced is not left in unused pages

    def _pragma(self, text: str) -> Any:
        return self._db.execute(f"PRAGMA {text}").fetchone()[0]

    def _store(self, batch: list["_Write"]) -> bool:
        """Store all writes of a batch in one transaction; False if they must be retried one by one."""
        outcomes: list[tuple[Any, Exception | None]] = []
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for write in batch:
                self._db.execute("SAVEPOINT one")
                try:
                    outcomes.append((write.job(self._db), None))
                except sqlite3.Error:
                    raise
                except Exception as failure:  # of the job; `write` raises it in its thread
                    outcomes.append((None, failure))
                    self._db.execute("ROLLBACK TO one")
                self._db.execute("RELEASE one")
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            if len(batch) > 1:
                return False
            # An OperationalError means a full, locked or read-only database; any other error is a bug.
            full = isinstance(error, sqlite3.OperationalError)
            advice = UserError(f"{self.path}: nothing was stored ({error})", code=Code.DATABASE)
            batch[0].error = advice if full else error
            return True
        except BaseException:
            self._roll_back()
            raise
        for write, outcome in zip(batch, outcomes, strict=True):
            write.result, write.error = outcome
        return True

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


class _Write:
    """A job that waits for its turn, and its outcome."""

    def __init__(self, job: Callable[[sqlite3.Connection], Any]):
        self.job = job
        self.done = False
        self.result: Any = None
        self.error: Exception | None = UserError(
            "nothing was stored: the program was interrupted", code=Code.DATABASE
        )
