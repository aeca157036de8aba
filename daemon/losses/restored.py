"""What the restore of a community, a collection and an item have in common (aip-format 3 and 4).

What the package says is asked of those who write it (`dim.write`, `rights.write` hand back what they cannot state), so
that the two cannot disagree. What DSpace makes of it is told here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from daemon.losses.natural import natural
from daemon.losses.release import Place, Release
from events.aip import dim, markup, names, rights
from events.aip.model import Aip, BitstreamRow, HandleRow, Policy, Uuid, Value
from events.aip.order import canonical

_NOTHING: Final = -1
_UNSAID: Final = frozenset({5, 6, 7, 8, 12})
"""Actions that METSRIGHTS has no words for."""


class Restored:
    """One object on its way into the target."""

    def __init__(self, aip: Aip, release: Release, at: Place, existing: Aip | None) -> None:
        self.aip = canonical(aip)
        self.release = release
        self.at = at
        self.existing = existing
        self.names = names.known(aip)
        self.uuid = aip.uuid
        self.values: list[Value] = []
        self.policies: list[Policy] = []
        self.bitstreams: list[BitstreamRow] = []

    def declared(self, subject: Uuid, named: Uuid) -> list[Policy]:
        """The policies of `subject` as METSRIGHTS brings them, for `named`."""
        asked = [policy for policy in self.aip.policies if policy.subject == subject]
        unsaid = set(map(id, rights.write(asked, self.names, [])))
        return [
            Policy(
                named,
                _NOTHING if policy.action in _UNSAID or not 0 <= policy.action <= 12 else policy.action,
                policy.group,
                None if policy.group else policy.person,
                policy.start,
                policy.end,
                policy.name,
                self.release.policy_type,
            )
            for policy in asked
            if id(policy) not in unsaid
        ]

    def said(self, values: Iterable[Value], spelled: Mapping[str, str] | None = None) -> list[Value]:
        """Those of the values that DIM says, with what of their texts XML holds."""
        values = list(values)
        unsaid = set(map(id, dim.write(values, [], spelled)))
        return [
            replace(value, text=_written(value.text)) if value.text and not markup.holds(value.text) else value
            for value in values
            if id(value) not in unsaid
        ]

    def of(self, subject: Uuid) -> list[Value]:
        """The metadata of the object or one of its parts."""
        return [value for value in self.aip.values if value.subject == subject]

    def handles(self) -> list[HandleRow]:
        """The preferred handle, which is all that a package names; an object that is there keeps its own."""
        if self.existing is not None:
            return self.existing.handles
        return [HandleRow(self.uuid, self.aip.handle or "", 0)]

    def finished(self, **rows: Any) -> Aip:  # noqa: ANN401 - lists of rows
        """The rows as an AIP, with natural references, and what an existing object keeps."""
        made = Aip(
            kind=self.aip.kind,
            uuid=self.uuid,
            handles=self.handles(),
            values=self.values,
            policies=self.policies,
            bitstreams=self.bitstreams,
            names=self.aip.names,
            formats=self.aip.formats,
            **rows,
        )
        found = natural(made)
        if self.existing is not None:
            kept = ("dois", "subscriptions", "harvest_source", "harvested", "relations", "versions", "drafts",
                    "workflow", "tasks", "roles")  # fmt: skip
            found = replace(found, **{name: getattr(self.existing, name) for name in kept})
        return canonical(found)


def _written(text: str) -> str:
    return "".join(each for each in text if markup.holds(each))
