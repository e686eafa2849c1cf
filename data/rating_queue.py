"""The queue that raters share: which stored round a rater judges next.

Agreement between raters can only be computed on answers that several of them judged, and a rater's own
consistency only on answers that the rater judged twice. So the queue now and then shows a round that the
rater has judged before (a hidden repeat), otherwise rounds of others that too few raters have judged, and
asks for new answers where there are none left. Which round comes never depends on how anybody voted.
"""

import sqlite3

from data.modes import Mode

RATERS_EACH = 3  # raters who judge the same answers
REPEAT_EVERY = 10  # one of so many judged rounds is a hidden repeat
REPEAT_AFTER = 4  # rounds between a vote and its repeat, so that the answers are not fresh in mind

# Rounds with one prompt and answers of their own, that have a vote which counts.
ITEMS = (
    "SELECT r.id, r.rater, r.rowid AS number FROM rounds r WHERE r.season = ?1 AND r.mode = ?2 "
    "AND r.repeat_of IS NULL AND r.turn = 0 AND r.history = '[]' AND r.state = 'answered' "
    "AND EXISTS (SELECT 1 FROM votes v WHERE v.round = r.id AND v.id NOT IN (SELECT vote FROM retractions))"
)


def repeat_for(db: sqlite3.Connection, rater: str, season: str, mode: Mode) -> str | None:
    """The oldest round that this rater judged once, if it is time for a hidden repeat; else None."""
    judged = (
        "SELECT coalesce(r.repeat_of, r.id) AS item, max(r.rowid) AS last, count(*) AS times FROM rounds r "
        "WHERE r.rater = ?1 AND r.season = ?2 AND r.mode = ?3 AND r.state = 'answered' AND r.turn = 0 "
        "AND r.history = '[]' AND EXISTS (SELECT 1 FROM votes v WHERE v.round = r.id "
        "AND v.id NOT IN (SELECT vote FROM retractions)) GROUP BY item"
    )
    rounds, items = db.execute(
        f"SELECT coalesce(sum(times), 0), count(*) FROM ({judged})", (rater, season, mode)
    ).fetchone()
    if (rounds - items + 1) * REPEAT_EVERY > rounds + 1:
        return None
    row = db.execute(
        f"SELECT item FROM ({judged}) j WHERE times = 1 "
        "AND (SELECT count(*) FROM rounds l WHERE l.rater = ?1 AND l.rowid > j.last) >= ?4 "
        "ORDER BY last LIMIT 1",
        (rater, season, mode, REPEAT_AFTER),
    ).fetchone()
    return row["item"] if row else None


def shared_for(db: sqlite3.Connection, rater: str, season: str, mode: Mode) -> str | None:
    """The oldest round of another rater that still needs raters and whose prompt this rater was not asked."""
    row = db.execute(
        f"SELECT item.id FROM ({ITEMS}) item JOIN rounds o ON o.id = item.id WHERE item.rater != ?3 "
        "AND NOT EXISTS (SELECT 1 FROM rounds mine WHERE mine.rater = ?3 AND mine.season = ?1 "
        "AND mine.mode = ?2 AND mine.prompt_sha256 = o.prompt_sha256 AND mine.state != 'void') "
        "AND (SELECT count(DISTINCT c.rater) FROM rounds c "
        "WHERE c.repeat_of = item.id AND c.rater != o.rater) < ?4 ORDER BY item.number LIMIT 1",
        (season, mode, rater, RATERS_EACH - 1),
    ).fetchone()
    return row["id"] if row else None
