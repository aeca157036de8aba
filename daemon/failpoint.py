"""Places at which a test can have the program die: between every two steps whose order an invariant rests on.

Invariant: without `AIPSTREAM_FAILPOINT` in the environment at start, and outside of `raising`, nothing happens here.

`AIPSTREAM_FAILPOINT=log-appended` kills the process (SIGKILL, nothing is cleaned up) when it first gets to that place,
`log-appended:3` the third time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

NAMES: Final = (
    "blobs-put",
    "blobs-flushed",
    "log-appended",
    "state-remembered",
    "puts-emitted",
    "kind-swept",
)
"""Every place of the source, in the order in which a capture comes by. Others name theirs in their own modules."""


class Reached(BaseException):
    """A place armed by `raising` was reached. No error of the program, so that no handler takes it for one."""


class _Armed:
    place: str = ""
    left: int = 0
    kills: bool = True

    def set(self, spec: str, *, kills: bool) -> None:
        self.place, _, times = spec.partition(":")
        self.left, self.kills = int(times or 1), kills


_ARMED: Final = _Armed()
_ARMED.set(os.environ.get("AIPSTREAM_FAILPOINT", ""), kills=True)


def failpoint(name: str) -> None:
    """Die here, if this is the place and the time that was asked for."""
    if _ARMED.place != name:
        return
    _ARMED.left -= 1
    if _ARMED.left > 0:
        return
    _ARMED.place = ""
    if _ARMED.kills:
        os.kill(os.getpid(), signal.SIGKILL)
    raise Reached(name)


@contextmanager
def raising(spec: str) -> Iterator[None]:
    """Within the context, raise `Reached` at that place (`NAME` or `NAME:TIMES`) instead of killing the process."""
    _ARMED.set(spec, kills=False)
    try:
        yield
    finally:
        _ARMED.set("", kills=True)
