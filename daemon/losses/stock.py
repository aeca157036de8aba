"""The stock packager as pure functions on rows: what its export still says, and what its restore leaves.

Invariant: nobody remembers losses. They are what differs between an object and what these functions make of it, and
the tests against a real DSpace demand that the functions are exact.
"""

from __future__ import annotations

from collections.abc import Mapping

from daemon.losses import exporting, restoring
from daemon.losses.natural import natural
from daemon.losses.release import SHIPPED, Place, Release
from events.aip.model import Aip, Uuid

__all__ = ["SHIPPED", "Place", "exported", "restored"]


def exported(aip: Aip, version: str, handles: Mapping[Uuid, str] | None = None) -> Aip | None:
    """What stock DSpace of that version exports of the object, as our reader reads it; natural UUIDs.

    None if a recursive export (`-d -a`) does not write it. `handles` are further handles of communities and
    collections: DSpace looks them up for the names of their groups, and an AIP does not know all of them.
    """
    return exporting.exported(aip, Release.of(version), handles or {})


def restored(aip: Aip, version: str, *, existing: Aip | None = None, at: Place = SHIPPED) -> Aip | None:
    """What a target of that version has after its packager (`-r -f`) has restored our package of the object.

    None if it is not there then. With `existing` it replaced that object, without it was missing. The UUIDs that are
    made anew are natural ones; references are by name. `at` is what the result owes to the target's settings.
    """
    return restoring.restored(aip, Release.of(version), at, None if existing is None else natural(existing))
