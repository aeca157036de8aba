"""Instants as text, as `Event.commit_time` and everything beside the log has them: `YYYY-MM-DDTHH:MM:SS.ffffffZ`, UTC.

Invariant: texts are sorted as their instants are.
"""

from __future__ import annotations

from datetime import UTC, datetime


def text_of(moment: datetime) -> str:
    """A moment with its zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now() -> str:
    """This moment, by our clock."""
    return text_of(datetime.now(UTC))
