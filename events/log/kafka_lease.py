"""The lease: which process writes into a log in Kafka, told to whoever would like to.

It is a note beside an offset that the group of the log commits; the writer sends it within each of its transactions. So
it is as durable as the events, moves with them, and a writer that was fenced can no longer renew it.

Invariants:

* The lease is politeness: that two never write is made sure by Kafka, which fences the older producer of a
  transactional id. Without a lease, or with one that is wrong, no event is lost or doubled.
* Whether a lease is alive is judged by its changes against the judge's own monotonic clock. Clocks of two machines are
  never compared.
* It says where the log ended when it was written. It is kept by other brokers than the topic's, so that a topic that
  was cut off behind an acknowledged event is found.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from kafka import OffsetAndMetadata, TopicPartition

from events.errors import Interrupted, Locked
from events.event import Position
from events.log.kafka_errors import names, told
from events.log.kafka_settings import Place

LOOK_SECONDS: Final = 0.5
"""Between two looks at the lease of another one."""


class Holder(msgspec.Struct, frozen=True):
    """A process: the name of its machine, since when that runs (`boot`), in which space ids are counted, its id, and
    when it began (in ticks since the boot).
    """

    host: str
    boot: str
    space: str
    pid: int
    began: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def dead(self) -> bool:
        """Whether it is proved that this process is no more: it was of this machine, as that runs now."""
        here = myself()
        if (self.boot, self.space) != (here.boot, here.space) or not here.boot:
            return False
        state, began = _state(self.pid)
        return began != self.began or state in {"Z", "X"}


class Lease(msgspec.Struct, frozen=True):
    """What is noted. `beat` changes with each note, `seconds` is how long a holder may say nothing and be alive."""

    holder: Holder
    since: str
    beat: str
    seconds: float
    released: bool
    log: str
    end: Position
    chain: str


def myself() -> Holder:
    """This process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it is no path
    except OSError:
        boot = space = ""
    return Holder(platform.node(), boot, space, os.getpid(), _state(os.getpid())[1])


def _state(pid: int) -> tuple[str, str]:
    """(state, start time) of a process; empty if there is none. See proc(5), /proc/pid/stat, fields 3 and 22."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return words[0], words[19]


def note(lease: Lease, place: Place) -> dict[Any, Any]:
    """What is committed for it: the offset is that of the first partition's beginning, and means nothing."""
    text = msgspec.json.encode(lease).decode()
    return {TopicPartition(place.topic, 0): OffsetAndMetadata(0, text, -1)}


def read(admin: Any, place: Place) -> Lease | None:  # noqa: ANN401 - the library has no types
    """The lease as it is noted; None if nobody has ever written, or it was forgotten."""
    with told(place):
        found = admin.list_group_offsets(names(place)).get(names(place), {})
    noted = found.get(TopicPartition(place.topic, 0))
    if noted is None or not noted.metadata:
        return None
    try:
        return msgspec.json.decode(noted.metadata, type=Lease)
    except msgspec.MsgspecError:
        return None  # another version's, or by hand: fencing decides


def free(
    look: Callable[[], Lease | None],
    place: Place,
    waiting: Callable[[Lease], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Lease | None:
    """The last lease, as soon as it is known that nobody holds it. Raises Locked that names who does.

    `waiting` is called once if that takes a while, which is as long as a living holder may say nothing. Raises
    Interrupted if `stopped` says so meanwhile.
    """
    first = look()
    if first is None or first.released or first.holder.dead():
        return first
    if first.holder == myself():
        return first  # what this very process has not released: an error, or another opening of the log that is closed
    waiting(first)
    deadline = time.monotonic() + first.seconds
    while time.monotonic() < deadline:
        if stopped():
            raise Interrupted(f"stopped while {first.holder} might still write into the log {place}")
        time.sleep(min(LOOK_SECONDS, first.seconds / 4))
        now = look()
        if now is None or now.released or now.holder.dead():
            return now
        if now.beat != first.beat:
            raise Locked(
                f"another aipstream writes into the log {place}: {now.holder}, since {now.since}",
                "Wait for the other one, or stop it. If its machine is gone, its lease ends "
                f"{now.seconds:.0f} seconds after its last sign of life.",
            )
    return first
