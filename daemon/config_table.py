"""The tables of the configuration as file and environment have them, before anything is made of them.

Invariant: nothing unknown is accepted, neither a key nor a variable of a target, and what is refused is named with the
one that may be meant. What sections there are, `targets.NAME` among them, is given to each function as `kinds`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec

from events.errors import ConfigError

_LONGEST: Final = 40
"""Characters of a number that are shown."""

Kinds = Mapping[str, type[msgspec.Struct]]
"""What may stand in each section, by its name as it is written between brackets."""


def read(path: Path) -> dict[str, Any]:
    """The file. Raises ConfigError if there is none, or none that can be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no configuration file {path}",
            "Write one with `aipstream config example > aipstream.toml`, or name yours: `aipstream --config FILE`.",
        ) from error
    except ValueError as error:  # no TOML, no UTF-8, a number of thousands of digits
        raise ConfigError(f"{path} is no TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error


def at(table: dict[str, Any], section: str, *, make: bool = False) -> dict[str, Any]:
    """The keys of a section; if there is none, an empty one, which is put there if it should be made."""
    for part in section.split("."):
        table = table.setdefault(part, {}) if make else table.get(part, {})
    return table


def overrides(kinds: Kinds, environment: Mapping[str, str]) -> dict[tuple[str, str], tuple[Any, str]]:
    """The value and the variable of each (section, key) that the environment gives. Raises ConfigError."""
    found: dict[tuple[str, str], tuple[Any, str]] = {}
    variables: dict[str, tuple[str, str]] = {}
    for section, kind in kinds.items():
        for field in msgspec.structs.fields(kind):
            variable = variable_of(section, field.name)
            if variables.setdefault(variable, (section, field.name)) != (section, field.name):
                raise ConfigError(
                    f"[{section}] {field.name} and [{variables[variable][0]}] have one variable, {variable}",
                    "Give one of these targets another name.",
                )
            if variable in environment:
                found[section, field.name] = (_typed(variable, environment[variable], kind_of(field)), variable)
    for variable in environment:
        if variable.startswith("AIPSTREAM_TARGETS_") and variable not in variables:
            raise ConfigError(
                f"{variable}: the file has no such target or key{nearest(variable, variables)}",
                "A variable goes over what the file has: it needs a table [targets.NAME] there, if an empty one.",
            )
    return found


def variable_of(section: str, key: str) -> str:
    """The environment variable that goes over that key."""
    return f"AIPSTREAM_{section}_{key}".upper().replace(".", "_").replace("-", "_")


def _typed(variable: str, text: str, kind: object) -> object:
    if kind is bool:
        lowered = text.strip().lower()
        if lowered not in {"true", "false", "1", "0", "yes", "no"}:
            raise ConfigError(f"{variable}: {text!r} is neither true nor false")
        return lowered in {"true", "1", "yes"}
    try:
        if kind is int or kind is float:
            return int(text) if kind is int else float(text)
        return tomllib.loads(f"x = {text}")["x"] if "dict" in str(kind) else text
    except (ValueError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{variable}: {text!r} cannot be read: {error}") from error


def known(table: dict[str, Any], kinds: Kinds, where: str) -> None:
    """Raise ConfigError for a section or a key that is in no section of `kinds`."""
    for section in table:
        roots = dict.fromkeys([*(each.partition(".")[0] for each in kinds), "targets"])
        if section not in roots:
            raise ConfigError(f"{where}: unknown section [{section}]{nearest(section, roots)}")
        if not isinstance(table[section], dict):
            raise ConfigError(f"{where}: {section} must be a section: [{section}]")
    for section, kind in kinds.items():
        names = kind.__struct_fields__
        for key in at(table, section):
            if key not in names and f"{section}.{key}" not in kinds:
                tables = [each.removeprefix(f"{section}.") for each in kinds if each.startswith(f"{section}.")]
                raise ConfigError(
                    f"{where}: unknown key {key!r} in [{section}]{nearest(key, [*names, *tables])}",
                    f"[{section}] knows: {', '.join(names)}.",
                )


def bounded(table: dict[str, Any], kinds: Kinds, variables: Mapping[tuple[str, str], str], where: str) -> None:
    """Raise ConfigError for a number outside of its bounds, nan too; `variables` are those that gave a value."""
    for section, kind in kinds.items():
        for field in msgspec.structs.fields(kind):
            bounds, value = bounds_of(field), at(table, section).get(field.name)
            if bounds is None or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            least, most = bounds
            if not least <= value <= most:  # nor is nan
                raise ConfigError(
                    f"{variables.get((section, field.name), where)}: [{section}] {field.name} = {_shown(value)}: "
                    f"allowed is {allowed(field)}",
                    f"Left out it is {_shown(field.default)}.",
                )


def kind_of(field: msgspec.structs.FieldInfo) -> object:
    """The type of a key, without its bounds."""
    return get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type


def bounds_of(field: msgspec.structs.FieldInfo) -> tuple[float, float] | None:
    """The least and the most of a key that is a number; None of any other."""
    if get_origin(field.type) is not Annotated:
        return None
    meta = get_args(field.type)[1]
    return meta.ge, meta.le


def allowed(field: msgspec.structs.FieldInfo) -> str:
    """The bounds of a key in words; "" if it has none."""
    bounds = bounds_of(field)
    return f"{bounds[0]:,} to {bounds[1]:,}" if bounds else ""


def _shown(number: float) -> str:
    """A number as it is written, a very long one cut off."""
    try:
        text = str(number)
    except ValueError:  # of more digits than are written out
        return "a number of thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def nearest(name: str, known: Iterable[str]) -> str:
    """A question whether another name is meant, to be put behind a message; empty if none is like it."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def plain(message: str, within: str, kinds: Kinds) -> str:
    """msgspec's message with `$.source.dsn` written as `[source] dsn`; `within` is the section of its `$`."""
    what, _, place = message.partition(" - at `$")
    path = f"{within}{place.rstrip('`')}".removeprefix(".")
    section = max((each for each in kinds if f"{path}.".startswith(f"{each}.")), key=len, default="")
    key = path[len(section) + 1 :]
    return f"[{section}]{f' {key}' if key else ''}: {what}" if section else message
