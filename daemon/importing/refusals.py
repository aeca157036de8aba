"""Why a package is refused, where no other error says it already."""

from __future__ import annotations

from events.errors import AipstreamError


class ParentMissing(AipstreamError):
    """The container that a package's object belongs to is not there."""

    hint = "Import the container first, in the same command if you like, or name another one: --parent HANDLE."


class ParentRefused(ParentMissing):
    """The container that a package's object belongs to was refused itself."""

    hint = "When what the container was refused for is mended, import both again: what is there stays as it is."


class Contradiction(AipstreamError):
    """Handle and UUID of a package belong to two different objects there, or to one of another kind."""

    hint = "`--mode submit` makes another object of it, `-o ignoreHandle=true` one with a handle of its own."


class ContentMissing(AipstreamError):
    """A file of a package has no content in it, and none can be found elsewhere."""

    hint = (
        "Export it again; or `-o unauthorized=skip` leaves such files out, `zero` makes them empty. Contents of bare "
        "manifests are looked for in the blob store and in --contents."
    )


class StillInUse(AipstreamError):
    """A container that is to be deleted holds what the catalog of deletions does not name."""

    hint = "Delete what is in it first, or leave the catalog out."
