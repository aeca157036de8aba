"""Keeps passwords out of everything that is printed.

Invariant: every line that leaves the program (messages, errors, tracebacks, JSON) goes through `hide`. It takes away
what looks like the password of a DSN, and the very passwords of the configured DSNs wherever they stand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from events.errors import ConfigError, without_password

if TYPE_CHECKING:
    from daemon.config import Config

SHORTEST: Final = 4
"""A password of fewer characters is only hidden in DSNs: it would be found in the middle of ordinary words."""

_URL: Final = re.compile(r"postgres(?:ql)?://[^:/@\s]*:(\S*)@")
_PARAMETER: Final = re.compile(r"[?&](?:ssl)?password=([^&\s]*)", re.IGNORECASE)
_KEY: Final = re.compile(r"(?<![?&])password\s*=\s*('(?:[^'\\]|\\.)*'|(?:\\.|\S)+)", re.IGNORECASE)
_BROKEN: Final = re.compile(r"[@/?#\[\]]|%(?![0-9A-Fa-f]{2})")

_secrets: set[str] = set()


def protect(end: str, dsn: str) -> None:
    """Remember the password of a DSN, so that `hide` knows it.

    Raises ConfigError for a URL whose password is not percent-encoded: libpq would take a part of it for the name of
    a host or a port, and print that part.
    """
    for found in (*_URL.findall(dsn), *_PARAMETER.findall(dsn), *_KEY.findall(dsn)):
        plain = re.sub(r"\\(.)", r"\1", found.strip("'"))
        _secrets.update(text for text in (found, plain, unquote(found)) if len(text) >= SHORTEST)
    for password in _URL.findall(dsn):
        if _BROKEN.search(password):
            raise ConfigError(
                f"[{end}] dsn: the password has characters that a URL cannot hold as they are",
                "Write them percent-encoded: @ as %40, / as %2F, : as %3A, ? as %3F, # as %23, % as %25.",
            )


def conceal(secret: str) -> None:
    """Remember a secret that is no part of a DSN."""
    if len(secret) >= SHORTEST:
        _secrets.add(secret)


def concealed(config: Config) -> Config:
    """The same; from here on its passwords are hidden. Raises ConfigError as `protect` does."""
    if config.source is not None:
        protect("source", config.source.dsn)
    for one in config.each():
        protect(one.table.strip("[]"), one.target.dsn if one.target else "")
    for one in config.each() or [config]:
        conceal(one.index.password)
    conceal(config.kafka.password)
    return config


def hide(text: str) -> str:
    """The text without passwords."""
    text = without_password(text)
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def hidden(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """The same value with `hide` applied to every text in it."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {hidden(key): hidden(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(each) for each in value]
    return value
