"""One SQLite file, opened so that what was acknowledged is on disk and a damaged file is refused, not
repaired.

SQLite before 3.51.3 can corrupt a WAL database that two connections use, so the rollback journal is used
there. Each write is one IMMEDIATE transaction: a reader that turned writer half-way would fail under load.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import UserError

BUSY_SECONDS = 20.0


class SqliteFile:
    """Open (or create, with `schema`) the file at `path`; one object may be used from many threads.

    application_id marks the file as ours; version is the schema's. Raises UserError where the file is
    damaged, of another program, or of a newer version; it is left as it was.
    """

    def __init__(self, path: Path, *, schema: str, application_id: int, version: int):
        self.path = Path(path)
        self._lock = threading.Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = None
        try:
            self._db = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._db.row_factory = sqlite3.Row
            self._check(application_id, version)
            self._configure()
            self._create(schema, application_id, version)
        except sqlite3.Error as error:
            self.close()
            raise UserError(
                f"{self.path}: cannot be read as a database ({error}); it was left untouched. "
                "Restore a backup, or move the file away to start anew"
            ) from error
        except UserError:
            self.close()
            raise

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed and synced when the block ends, rolled back when it raises.

        Raises UserError where SQLite cannot write (disk full, read-only, held too long by another program).
        """
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self._roll_back()
                raise UserError(
                    f"{self.path}: nothing was stored ({error}); mend that and try again"
                ) from error
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection, for reading, with no other thread between two statements."""
        with self._lock:
            yield self._db

    def _check(self, application_id: int, version: int) -> None:
        verdict = self._pragma("quick_check(1)")
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        has_tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0
        if has_tables and self._pragma("application_id") != application_id:
            raise UserError(f"{self.path}: is another program's database; move it away")
        if self._pragma("user_version") > version:
            raise UserError(
                f"{self.path}: was written by a newer version of this program; update the program"
            )

    def _configure(self) -> None:
        safe_wal = sqlite3.sqlite_version_info >= (3, 51, 3)
        self._pragma(f"journal_mode = {'WAL' if safe_wal else 'DELETE'}")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if safe_wal else 'EXTRA'}")
        self._db.execute("PRAGMA foreign_keys = ON")

    def _create(self, schema: str, application_id: int, version: int) -> None:
        if self._pragma("user_version") == version:
            return
        with self.write() as db:
            if self._pragma("user_version") == 0:
                for statement in schema.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {application_id}")
                db.execute(f"PRAGMA user_version = {version}")

    def _pragma(self, text: str):
        return self._db.execute(f"PRAGMA {text}").fetchone()[0]

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
