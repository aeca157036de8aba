"""In what the releases of stock DSpace differ when they export and restore packages (aip-format 8).

A version without its last number, `8`, stands for the newest of its line, as a database does not tell it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from events.aip.model import Kind, Uuid, Value
from events.aip.named import reference

_NEWEST: Final = 10**6
_NUMBERS: Final = re.compile(r"[0-9]+")

ANSWERED: Final = {7: (7, 6, 7), 8: (8, 4), 9: (9, 3), 10: (10, 0)}
"""By line: the first release in which empty files are left out (pull request 12343 and its backports)."""

NOW: Final = "now"
"""Stands for the time of a restore, wherever DSpace writes one."""


class Release(NamedTuple):
    """One release, as far as packages go."""

    numbers: tuple[int, ...]

    @classmethod
    def of(cls, version: str) -> Release:
        """`7.6.6`, `8`, `10.0-SNAPSHOT`. Raises ValueError for what has no number."""
        found = [int(number) for number in _NUMBERS.findall(version)[:3]]
        if not found:
            raise ValueError(f"not a version of DSpace: {version!r}")
        expected = 3 if found[0] == 7 else 2
        return cls((*found, *[_NEWEST] * (expected - len(found))))

    @property
    def leaves_out_empty_files(self) -> bool:
        """A restore passes over an empty file, and an export fails on one."""
        first = ANSWERED.get(self.numbers[0])
        return self.numbers >= first if first else self.numbers[0] > max(ANSWERED)

    @property
    def policy_type(self) -> str | None:
        """The type that restored policies have."""
        return "TYPE_CUSTOM" if self.numbers >= (7, 6, 2) else None


class Place(NamedTuple):
    """What a restore depends on besides the package: the target's settings, and who loads it.

    `person` runs the packager, and becomes the submitter where the right one is not known; `controlled` are the
    metadata fields with an authority (none as shipped); `canonical` begins the links of handles, None if not known.
    `registries` are loaded by DSpace's own commands; `withdraws`: a second package withdraws an item after the first
    has restored it. Driver `packager` does these two.
    """

    person: Uuid = reference(Kind.PERSON, "who runs the packager")
    controlled: frozenset[str] = frozenset()
    canonical: str | None = None
    registries: bool = False
    withdraws: bool = False


SHIPPED: Final = Place()
"""A target as DSpace ships it, and nothing but the packages of an export."""

DRIVEN: Final = Place(registries=True, withdraws=True)
"""A target as DSpace ships it, behind driver `packager`."""


def cleaned(text: str) -> str:
    """A metadata text as DSpace's services store it: trimmed as Java trims, control characters made blanks."""
    trimmed = text.strip("".join(map(chr, range(33))))
    if trimmed.isprintable():
        return trimmed
    return "".join(" " if _control(each) else each for each in trimmed)


def _control(character: str) -> bool:
    code = ord(character)
    return (code < 32 and character not in "\t\n\r") or 127 <= code < 160


def stored(value: Value, place: int, at: Place) -> Value:
    """The value as DSpace's services add it: at that place, cleaned, with an authority only where there may be one."""
    controlled = value.authority is not None and value.field in at.controlled
    return Value(
        value.subject,
        value.field,
        place,
        cleaned(value.text or ""),
        None if value.lang == "*" else value.lang,
        value.authority if controlled else None,
        value.confidence if controlled else -1,
    )
