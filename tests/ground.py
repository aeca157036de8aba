"""Where the files of a run of the tests lie: in memory, where there is room for them.

Thousands of databases, logs and assetstores are made and thrown away; what they wait for on a disk says nothing about
the code. What a test breaks on purpose is broken there as well: a process that is killed, flipped bytes, a full file
system. Whoever sets TMPDIR, or has less memory, gets the files there or on the disk.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
GROUPS: Final = Path("/sys/fs/cgroup")
ROOM: Final = 12 << 30
"""A whole run leaves three gigabytes until the next one begins, and takes a few more for moments."""


def begin() -> None:
    """For the head of the suite's conftest, before any file is made; processes that tests start inherit it."""
    if "TMPDIR" not in os.environ and has_room(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None
    # Else each of thousands of processes would compile all of our modules for itself.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def has_room(folder: Path) -> bool:
    """Whether files, programs among them, may be put there and both it and the machine have room."""
    try:
        there = os.statvfs(folder)
        free = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return False
    return (
        os.access(folder, os.W_OK)
        and not there.f_flag & os.ST_NOEXEC
        and there.f_bavail * there.f_frsize >= ROOM
        and free is not None
        and int(free[1]) << 10 >= ROOM
        and _allowance() >= ROOM
    )


def _allowance() -> int:
    """The bytes that a container or a control group above this process grants it at most, all its files in memory
    among them.
    """
    given = [sys.maxsize]
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, own = line.split(":", 2)
        unified = number == "0" and not controllers
        if not unified and "memory" not in controllers.split(","):
            continue
        root = GROUPS if unified else GROUPS / "memory"
        group = root / own.lstrip("/")
        for each in (group, *group.parents):  # in a container its own group stands at the root
            limit = each / ("memory.max" if unified else "memory.limit_in_bytes")
            if limit.is_file() and (text := limit.read_text().strip()).isdigit():
                given.append(int(text))
    return min(given)
