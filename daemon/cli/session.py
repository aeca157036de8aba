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
DEFAULT = "aipstream.toml"


@dataclass
class Session:
    """One invocation. `json` is set by the verb, so that an error is told in the same form; `printed`: a result was."""

    path: Path
    verbose: bool = False
    log_format: Literal["text", "json"] = "text"
    json: bool = False
    printed: bool = False

    @cached_property
    def config(self) -> Config:
        """The configuration. Raises ConfigError. From here on its passwords are hidden wherever they would stand."""
        from daemon.config import load

        return concealed(load(self.path))

    def messages(self, *, running: bool = False) -> None:
        """Let messages be heard: all of a daemon's, only the warnings of a short verb."""
        import logging

        from daemon.messages import configure

        configure(self.log_format, logging.DEBUG if self.verbose else logging.INFO if running else logging.WARNING)


pass_session = click.make_pass_decorator(Session)


def concealed(config: Config) -> Config:
    """The same; from here on its passwords are hidden."""
    from daemon.redaction import conceal, protect

    for end, section in (("source", config.source), ("target", config.target)):
        if section is not None:
            protect(end, section.dsn)
    conceal(config.index.password)
    return config
