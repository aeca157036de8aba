"""A check in a process of its own, in small parts, that a test may kill."""

from __future__ import annotations

import sys
from pathlib import Path

from daemon.integrity import check
from tests.daemon.integrity.archive import Archive

if __name__ == "__main__":
    check.EVENTS_AT_ONCE = 5  # type: ignore[misc]
    check.CONTENTS_AT_ONCE = 5  # type: ignore[misc]
    Archive(Path(sys.argv[1]), int(sys.argv[2])).check(share=1.0)
