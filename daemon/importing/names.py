"""What is known of a run: what the objects and people of its packages are called here, and what they may use.

Invariants:

* A name is answered by what this run has brought so far, before what was there.
* What was refused is forgotten: nothing that comes later refers to it.
"""

from __future__ import annotations

import re
from typing import Final

from daemon.importing.destination import Known, type_key
from daemon.importing.fields import new_fields, new_types
from daemon.importing.options import Options
from events.aip.model import Aip, Kind, Uuid
from events.aip.stock_roles import translate
from events.errors import UnknownField
from events.package import Package

_GENERATED: Final = re.compile(r"(COMMUNITY|COLLECTION|ITEM)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_(.+)", re.S)


class Names:
    """The names of one run, asked for one package after the other.

    `listed` are the handles of everything that the run is to bring, `refused` of what it could not.
    """

    def __init__(self, known: Known, options: Options, now: str) -> None:
        self.known = known
        self.options = options
        self.now = now
        self.listed: set[str] = set()
        self.refused: set[str] = set()
        self.objects: dict[Uuid, Uuid] = {}
        """What objects and people are called here, by the packages' UUIDs."""
        self.handles: dict[str, tuple[Kind, Uuid]] = {}
        """Objects of this run by the handles that their packages have."""

    def container(self, handle: str) -> tuple[Kind, Uuid] | None:
        """The object of that handle: of this run if it brings it, else the one that is there."""
        return self.handles.get(handle) or self.known.holder(handle)

    def group_name(self, name: str) -> str | None:
        """A group's name with the UUIDs that containers have here; None if it names one that is not there."""

        def uuid_of(handle: str) -> Uuid | None:
            found = self.container(handle)
            return found[1] if found else None

        translated = translate(name, uuid_of)
        generated = _GENERATED.fullmatch(translated) if translated else None
        if generated and generated[2] in self.objects:
            return f"{generated[1]}_{self.objects[generated[2]]}_{generated[3]}"
        return translated

    def far(self, kind: Kind, uuid: Uuid, name: str | None) -> Uuid | None:
        """What a reference is called here; None if it is not here."""
        if uuid in self.objects:
            return self.objects[uuid]
        if self.known.kind_of(uuid) is kind:
            return uuid
        if name is None:
            return None
        if kind is Kind.GROUP:
            translated = self.group_name(name)
            return self.known.group(translated) if translated else None
        if kind is Kind.PERSON:
            return self.known.person(name)
        found = self.container(name)
        return found[1] if found and found[0] is kind else None

    def register(self, aip: Aip, here: Uuid) -> None:
        """Note what a package's object is called here, for the packages after it."""
        if aip.kind is not Kind.ITEM or aip.uuid != here:
            self.objects[aip.uuid] = here
        if aip.handle and aip.kind is not Kind.ITEM:
            self.handles[aip.handle] = (aip.kind, here)

    def forget(self, package: Package) -> None:
        """Take back what was noted of a package that was refused."""
        if package.aip is None:
            return
        self.objects.pop(package.aip.uuid, None)
        if package.aip.handle and package.aip.kind is not Kind.ITEM:
            self.handles.pop(package.aip.handle, None)
            self.refused.add(package.aip.handle)
        for aip in package.people:
            here = self.objects.get(aip.uuid)
            if here and self.known.kind_of(here) is None:
                del self.objects[aip.uuid]

    def fields_of(self, aip: Aip, where: str) -> list[Aip]:
        """The registry documents that the object's metadata and relationships need.

        Raises UnknownField if they are not to be made.
        """
        registry = self.known.registry()
        fields = sorted({row.field for row in aip.values} - registry.fields)
        types = sorted({type_key(row) for row in aip.relations} - registry.types)
        if (fields or types) and not self.options.create_metadata_fields:
            what = "metadata field" if fields else "relationship type"
            unknown = fields or ["/".join(key) for key in types]
            shown = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
            raise UnknownField(
                f"{where}: the registry has no {what} {shown}",
                [aip.uuid],
                "`-o createMetadataFields=true` makes them; or add them in DSpace, and import again.",
            )
        return new_fields(fields, registry) + new_types(types)
