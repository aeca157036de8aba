"""What was measured, line by line."""

from __future__ import annotations

from typing import Any


class Table:
    """What was measured, printed as it comes and kept for `--json`."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, what: str, seconds: float, *, units: int = 0, unit: str = "items", memory: float | None = None,
            note: str = "") -> None:
        """One line."""
        rate = units / seconds if units and seconds else None
        self.rows.append({"what": what, "seconds": round(seconds, 3), "rate": rate and round(rate, 1), "unit": unit,
                          "memory_mb": memory and round(memory), "note": note})
        print(f"{what:46} {seconds:9.2f} s  {f'{rate:10,.0f} {unit}/s' if rate else '':22}"
              f"{f'{memory:6.0f} MB' if memory else '':11} {note}", flush=True)
