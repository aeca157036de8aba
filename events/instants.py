"""Instants as text, as `Event.commit_time` and everything beside the log has them: `YYYY-MM-DDTHH:MM:SS.ffffffZ`, UTC.

Invariant: texts are sorted as their instants are.
"""

from __future__ import annotations

from datetime import UTC, datetime


def text_of(moment: datetime) -> str:
    """A moment with its zone."""
    # Not by strftime, whose %Y writes years before 1000 with fewer digits.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def now() -> str:
    """This moment, by our clock."""
    return text_of(datetime.now(UTC))
