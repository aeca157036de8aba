"""Communities and collections as the stock packager restores them."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from daemon.losses.release import NOW, stored
from daemon.losses.restored import Restored
from events.aip import dim, files
from events.aip.files import Remaining
from events.aip.model import (
    Aip,
    BitstreamRow,
    CollectionRow,
    CommunityRow,
    ItemRow,
    Kind,
    Uuid,
    derived_uuid,
)
from events.aip.stock_roles import WORKFLOW

_UNNUMBERED: Final = -1


class Container(Restored):
    """A community or collection."""

    def restored(self) -> Aip | None:
        """The object on the target; None if it is not there afterwards."""
        aip, existing = self.aip, self.existing
        row = aip.community or aip.collection
        if row is None or not aip.handle:
            return None
        spelled = dim.COMMUNITY_FIELDS if aip.kind is Kind.COMMUNITY else dim.COLLECTION_FIELDS
        said = {
            value.field: stored(replace(value, lang=None), 0, self.at)
            for value in self.said(self.of(self.uuid), spelled)
        }
        self.values = list(said.values())
        if existing is not None:
            self.values += [value for value in existing.values if value.subject == self.uuid
                            and not (value.field in said and value.lang is None)]  # fmt: skip
        self.policies = self.declared(self.uuid, self.uuid)
        logo = self._logo(row.logo)
        if aip.kind is Kind.COMMUNITY:
            before = existing.community if existing else None
            admin = before.admin if before else self._typed(row.admin)
            own: dict[str, Any] = {"community": CommunityRow(self.uuid, None, admin, logo)}
        else:
            own = self._collection(logo)
        if existing is not None:
            own["parents"] = existing.parents
        else:
            own["parents"] = [row for row in aip.parents if row.other in self.names][:1]
        return self.finished(**own)

    def _logo(self, logo: Uuid | None) -> Uuid | None:
        remaining = Remaining.of(self.aip)
        file = files.take_logo(logo, remaining)
        if file is None:
            return None
        uuid = derived_uuid(f"{self.uuid}/logo")
        row = file.bitstream
        self.bitstreams.append(BitstreamRow(uuid, None, "Unknown", row.checksum, "MD5", _UNNUMBERED, row.size))
        self.policies += [replace(policy, subject=uuid) for policy in self.policies if policy.action == 0]
        return uuid

    def _collection(self, logo: Uuid | None) -> dict[str, Any]:
        aip, existing = self.aip, self.existing
        collection = aip.collection
        assert collection is not None  # noqa: S101 -- a collection has its row
        template: Uuid | None = derived_uuid(f"{self.uuid}/template")
        items: list[ItemRow] = []
        before = existing.collection if existing else None
        if existing is not None:
            template = before.template if before else None
            items = existing.items
            self.values += [value for value in existing.values if value.subject == template and template]
        elif collection.template is None or collection.template == aip.uuid:
            template = None
        else:
            assert template is not None  # noqa: S101
            items = [ItemRow(template, None, False, False, True, NOW, None, None)]
            counted: dict[str, int] = {}
            for value in self.said(self.of(collection.template)):
                place = counted[value.field] = counted.get(value.field, -1) + 1
                self.values.append(stored(replace(value, subject=template), place, self.at))
        return {
            "items": items,
            "collection": CollectionRow(
                self.uuid,
                None,
                before.submitters if before else self._typed(collection.submitters),
                before.admin if before else self._typed(collection.admin),
                template,
                logo,
            ),
            "roles": [row for row in aip.roles if row.role in WORKFLOW.values() and self._typed(row.group)],
        }

    def _typed(self, group: Uuid | None) -> Uuid | None:
        """A group of a role, if the package brings it as such."""
        return group if group in self.names else None
