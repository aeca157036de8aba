"""What an import is asked to do: the four modes of the stock packager, and its options by their names.

Invariant: every name that stock DSpace knows is accepted here or refused with the reason; none is taken and ignored.
docs/packages.md says for each what stock does and what is done here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal

from daemon.export.bundles import Bundles
from events.errors import ConfigError
from events.event import Position
from events.ocfl.shelf import Shelf
from events.package.limits import DEFAULT, Limits


class Mode(StrEnum):
    """What becomes of an object that is there already, and what a new one is called."""

    SUBMIT = "submit"
    """New handle, new UUIDs: another object, whatever is there."""
    RESTORE = "restore"
    """Handle and UUID are kept; what is there already, and differs, is an error."""
    KEEP = "keep"
    """The same, but what is there already stays as it is."""
    REPLACE = "replace"
    """What is there becomes what the package says."""


Unauthorized = Literal["error", "skip", "zero"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """All of it. Names are stock DSpace's, in Python's form; None stands for the mode's own default.

    parent       handle of the container of what is given, if it is not the one that the packages name
    once         in mode submit: the same package gives the same object, however often it is submitted
    limits       how much a package may ask of the machine before it is refused
    contents     folder in which the contents of bare manifests are
    prefix       of new handles in a log that has no site
    at           the moment at which the objects of an archive are taken, as a position of its log; None: the newest
    shelf        what was read of archives already
    """

    mode: Mode = Mode.RESTORE
    parent: str | None = None
    create_metadata_fields: bool = False
    bundles: Bundles | None = None
    ignore_handle: bool | None = None
    ignore_parent: bool | None = None
    manifest_only: bool | None = None
    passwords: bool = False
    skip_if_parent_missing: bool = False
    unauthorized: Unauthorized = "error"
    updated_after: str | None = None
    validate: bool = False
    recursive: bool = False
    use_collection_template: bool = False
    once: bool = False
    limits: Limits = DEFAULT
    contents: Path | None = None
    prefix: str | None = None
    at: Position | None = None
    shelf: Shelf = field(default_factory=Shelf, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raises ConfigError for what cannot go together."""
        if self.ignore_parent and self.parent is None:
            raise ConfigError(
                "ignoreParent leaves the packages without a parent", "Name the container they are to be in: --parent."
            )
        if self.once and self.mode is not Mode.SUBMIT:
            raise ConfigError("--once is for --mode submit", "The other modes write nothing twice by themselves.")

    @property
    def new_handle(self) -> bool:
        """Whether objects that are made get a new handle. Stock's default: only in mode submit."""
        return self.mode is Mode.SUBMIT if self.ignore_handle is None else self.ignore_handle

    @property
    def given_parent(self) -> str | None:
        """The handle of the container, if it is not to be the one that the packages name."""
        return self.parent if self.ignore_parent is not False else None


_BOOLEANS: Final = {
    "createMetadataFields": "create_metadata_fields",
    "ignoreHandle": "ignore_handle",
    "ignoreParent": "ignore_parent",
    "manifestOnly": "manifest_only",
    "passwords": "passwords",
    "skipIfParentMissing": "skip_if_parent_missing",
    "validate": "validate",
    "recursiveMode": "recursive",
    "useCollectionTemplate": "use_collection_template",
}
_TEXTS: Final = ("filterBundles", "includeBundles", "unauthorized", "updatedAfter", "dmd")
_MODES: Final = {"restoreMode": "restore", "keepExistingMode": "keep", "replaceMode": "replace"}
_REFUSED: Final = {
    "useWorkflow": "no workflow is ever started: what is imported is archived",
    "internal": "no version of DSpace that is supported here knows it",
}
NAMES: Final = tuple(sorted((*_BOOLEANS, *_TEXTS, *_MODES, *_REFUSED)))
"""Every name that stock DSpace takes with `-o`."""


def truth(text: str) -> bool:
    """A boolean as stock DSpace reads it: `true`, `on` and `yes` in any case; everything else is false."""
    return text.strip().lower() in {"true", "on", "yes"}


def parsed(pairs: Iterable[str]) -> dict[str, Any]:
    """Stock's `NAME=VALUE` as keyword arguments of `Options`. Raises ConfigError."""
    found: dict[str, Any] = {}
    bundles: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if name in _REFUSED:
            raise ConfigError(f"-o {name}: {_REFUSED[name]}", "Leave the option away.")
        if name in _BOOLEANS:
            found[_BOOLEANS[name]] = truth(value) if equals else True
        elif name in _MODES:
            if truth(value) or not equals:
                found["mode"] = Mode(_MODES[name])
        elif name in ("filterBundles", "includeBundles"):
            bundles[name] = value
        elif name == "unauthorized":
            found["unauthorized"] = unauthorized(value)
        elif name == "updatedAfter":
            found["updated_after"] = moment(value)
        elif name == "dmd":
            if value.upper() != "DIM":
                raise ConfigError(
                    f"-o dmd={value}: only DIM is read, the one section that has all of an item's metadata",
                    "Leave the option away. A package without DIM was not made by an AIP packager.",
                )
        else:
            near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.5)
            raise ConfigError(
                f"-o {name}: no such option{f'; did you mean {near[0]!r}?' if near else ''}",
                f"Known are: {', '.join(each for each in NAMES if each not in _REFUSED)}.",
            )
    if bundles:
        found["bundles"] = Bundles.of(bundles.get("filterBundles"), bundles.get("includeBundles"))
    return found


def unauthorized(value: str) -> Unauthorized:
    """What to do with a content that its package lacks. Raises ConfigError."""
    match value.strip().lower():
        case "skip":
            return "skip"
        case "zero":
            return "zero"
        case "error" | "":
            return "error"
    raise ConfigError(f"unauthorized: {value!r} is none of skip, zero and error")


def moment(text: str) -> str:
    """A time as packages have it: the exporter's clock, `YYYY-MM-DDTHH:MM:SS`. Raises ConfigError.

    A time with a zone is taken as this machine's clock would show it.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"updatedAfter: {text!r} is no date and time", "Write it as 2026-01-31T14:05:00, or 2026-01-31."
        ) from error
    if read.tzinfo is not None:
        read = read.astimezone().replace(tzinfo=None)
    return read.replace(microsecond=0).isoformat()
