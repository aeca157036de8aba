"""A command run as users run it, watched from outside: seconds, CPU seconds, and peak memory of the whole tree."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Wall and CPU seconds, and the largest sum of resident memory of the tree, in MB (pages shared count twice)."""

    seconds: float
    cpu: float
    memory: float
    output: str
    code: int


def tree(pid: int) -> list[int]:
    """That process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def resident(pid: int) -> float:
    """Resident memory of the tree, in MB."""
    total = 0
    for each in tree(pid):
        try:
            total += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * PAGE
        except OSError:
            continue
    return total / 1e6


def cpu_seconds(pid: int) -> float:
    """CPU seconds of the tree so far."""
    total = 0
    for each in tree(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def run(command: Sequence[str | Path], *, check: bool = True, **variables: str) -> Cost:
    """Run it to its end, with those variables. Raises RuntimeError with its output if it fails and `check` is set."""
    before = os.times()
    began = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               stdin=subprocess.DEVNULL, text=True, env={**os.environ, **variables})
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, resident(process.pid))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    output = process.communicate()[0]
    done.set()
    watcher.join()
    after = os.times()
    cost = Cost(time.monotonic() - began, after.children_user + after.children_system - before.children_user
                - before.children_system, peak, output, process.returncode)
    if check and process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{output}")
    return cost
