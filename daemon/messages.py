"""What the program says while it works: structlog events on stderr, as text for people or as JSON for collectors.

Invariants: standard output belongs to results alone, so it can be piped; no message holds a password; times are UTC.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, Literal

import structlog

from daemon.redaction import hidden

Format = Literal["text", "json"]

_FOREIGN: Final = ("apscheduler",)


def configure(form: Format, level: int) -> None:
    """Send what structlog and other libraries' loggers say to stderr, from that level of `logging` on."""
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24, timestamp_key="time")
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True, key="time"),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _hide,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_StandardError()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    for name in _FOREIGN:
        foreign = logging.getLogger(name)
        foreign.handlers, foreign.propagate = [_Forward()], False
        foreign.setLevel(logging.WARNING)


class _StandardError:
    """Standard error as it is at each message. A message that cannot be written (a closed or full stream) is lost: to
    raise would end the thread that only wanted to say something.
    """

    def write(self, text: str) -> int:
        """As a file's."""
        with suppress(OSError, ValueError):
            return sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """As a file's."""
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def _hide(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
    return {
        key: hidden(value if isinstance(value, int | float | bool | None) else _plain(value))
        for key, value in event.items()
    }


def _plain(value: object) -> object:
    return value if isinstance(value, str | list | tuple | dict) else str(value)


class _Forward(logging.Handler):
    """Hands the records of a library to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)
