"""What a loop is asked to do besides its main work, and how it is woken for it.

Invariant: connections belong to the loop that opened them. The clock, a signal or another loop only rings; the loop
itself does what is due, between two batches. Ringing twice before the loop looks is the same as ringing once.
"""

from __future__ import annotations

import threading


class Bell:
    """Names of what is due. Any thread may ring; one takes."""

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._due: set[str] = set()

    def ring(self, name: str) -> None:
        """Something is due."""
        with self._rung:
            self._due.add(name)
            self._rung.notify()

    def take(self, timeout: float = 0.0) -> set[str]:
        """What is due, once; waits for so many seconds if nothing is."""
        with self._rung:
            if not self._due and timeout > 0:
                self._rung.wait(timeout)
            due, self._due = self._due, set()
        return due
