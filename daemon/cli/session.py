"""What one invocation was asked for besides its verb, and the configuration when it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from daemon.config import Config

VARIABLE = "AIPSTREAM_CONFIG"
TARGET = "AIPSTREAM_TARGET"
DEFAULT = "aipstream.toml"


@dataclass
class Session:
    """One invocation. `json` is set by the verb, so that an error is told in the same form; `printed`: a result was;
    `target`: the one that was chosen of several.
    """

    path: Path
    verbose: bool = False
    log_format: Literal["text", "json"] = "text"
    json: bool = False
    printed: bool = False
    target: str | None = None

    @cached_property
    def config(self) -> Config:
        """The configuration. Raises ConfigError. From here on its passwords are hidden wherever they would stand."""
        from daemon.config import load
        from daemon.redaction import concealed

        config = concealed(load(self.path))
        return config.of(self.target) if self.target else config

    def messages(self, *, running: bool = False) -> None:
        """Let messages be heard: all of a daemon's, only the warnings of a short verb."""
        import logging

        from daemon.messages import configure

        configure(self.log_format, logging.DEBUG if self.verbose else logging.INFO if running else logging.WARNING)


pass_session = click.make_pass_decorator(Session)
