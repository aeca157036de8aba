"""The wire between us and a server, with faults: what goes through it is cut, stalled or changed where a test says."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from dataclasses import dataclass, field
from typing import Literal, Self

Direction = Literal["up", "down"]
Fault = Literal["cut", "stall", "corrupt"]


@dataclass
class Plan:
    """What befalls the next `times` connections that carry more than `after` bytes in that direction."""

    fault: Fault
    direction: Direction
    after: int
    times: int = 1
    done: int = field(default=0)


class Wire:
    """`with Wire(port) as wire`: connections to `wire.url` go on to that port of the loopback."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.plan: Plan | None = None
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.plan = None
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _start(self, what: object, *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()
                continue
            self._open += [near, far]
            self._start(self._carry, near, far)

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        carried: dict[Direction, int] = {"up": 0, "down": 0}
        with near, far, selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, ("up", far))
            ready.register(far, selectors.EVENT_READ, ("down", near))
            while True:
                for key, _ in ready.select():
                    direction, to = key.data
                    try:
                        chunk = key.fileobj.recv(65536)  # type: ignore[union-attr]
                        if not chunk:
                            return
                        fault = self._due(direction, carried[direction] + len(chunk))
                        carried[direction] += len(chunk)
                        if fault == "cut":
                            return
                        if fault == "stall":
                            ready.unregister(key.fileobj)
                            continue
                        if fault == "corrupt":
                            middle = len(chunk) // 2
                            chunk = chunk[:middle] + bytes([chunk[middle] ^ 1]) + chunk[middle + 1 :]
                        to.sendall(chunk)
                    except OSError:
                        return

    def _due(self, direction: Direction, carried: int) -> Fault | None:
        with self._lock:
            plan = self.plan
            if plan is None or plan.direction != direction or carried <= plan.after or plan.done >= plan.times:
                return None
            plan.done += 1
            return plan.fault
