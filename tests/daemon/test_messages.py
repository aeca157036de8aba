"""Messages never end the work that says them."""

from __future__ import annotations

import io
import logging
import sys

import pytest
import structlog

from daemon.messages import configure


def test_a_message_that_cannot_be_written_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error was closed; and what is said later goes to what is standard error by then."""
    closed, later = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    configure("json", logging.INFO)
    try:
        logger = structlog.get_logger("test")
        closed.close()
        logger.warning("lost")
        monkeypatch.setattr(sys, "stderr", later)
        logger.warning("heard")
    finally:
        structlog.reset_defaults()
    assert "heard" in later.getvalue()
