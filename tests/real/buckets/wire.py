"""The wire between us and a server, with faults: what goes through it is cut, stalled or changed where a test says."""

from __future__ import annotations

import selectors
import socket
import threading
from dataclasses import dataclass, field
from typing import Literal

from tests.real.buckets.relay import Relay

Direction = Literal["up", "down"]
Fault = Literal["cut", "stall", "corrupt"]


@dataclass
class Plan:
    """What befalls a connection when more than `after` bytes have gone in that direction, since the plan was made or
    since it last befell one; `times` in all. Which connections carry them is the client's affair.
    """

    fault: Fault
    direction: Direction
    after: int
    times: int = 1
    done: int = field(default=0)
    carried: int = field(default=0)


class Wire(Relay):
    """`with Wire(port) as wire`: what `wire.plan` says befalls the connections to `wire.url`."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._lock = threading.Lock()
        self.plan: Plan | None = None

    def __exit__(self, *reason: object) -> None:
        self.plan = None
        super().__exit__(*reason)

    def carry(self, near: socket.socket, far: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, ("up", far))
            ready.register(far, selectors.EVENT_READ, ("down", near))
            while True:
                for key, _ in ready.select():
                    direction, to = key.data
                    chunk = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not chunk:
                        return
                    fault = self._due(direction, len(chunk))
                    if fault == "cut":
                        return
                    if fault == "stall":
                        ready.unregister(key.fileobj)
                        continue
                    if fault == "corrupt":
                        middle = len(chunk) // 2
                        chunk = chunk[:middle] + bytes([chunk[middle] ^ 1]) + chunk[middle + 1 :]
                    to.sendall(chunk)

    def _due(self, direction: Direction, more: int) -> Fault | None:
        with self._lock:
            plan = self.plan
            if plan is None or plan.direction != direction or plan.done >= plan.times:
                return None
            plan.carried += more
            if plan.carried <= plan.after:
                return None
            plan.carried = 0
            plan.done += 1
            return plan.fault
