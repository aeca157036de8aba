"""Communities and collections, with what hangs on collections: workflow roles and the source of a harvest.

Invariant: a row of a container stands after the groups and the logo that it names, and before its items.
"""

from __future__ import annotations

from typing import Final

from daemon.target.native.sets import PLAIN, Writer, multiset, pairs, rows_by_uuid
from daemon.target.native.stage import Stage

_COMMUNITIES: Final = rows_by_uuid("community", "put_community", ("community_id", "admin", "logo_bitstream_id"))

_COMMUNITY_IN: Final = pairs(
    "community2community", "child_comm_id", "parent_comm_id", "put_community_in", "put_community"
)

_COLLECTIONS: Final = rows_by_uuid(
    "collection", "put_collection", ("collection_id", "submitter", "admin", "template_item_id", "logo_bitstream_id")
)

_COLLECTION_IN: Final = pairs(
    "community2collection", "collection_id", "community_id", "put_collection_in", "put_collection"
)

_ROLES: Final = multiset(
    "cwf_collectionrole",
    key="collectionrole_id",
    sequence="cwf_collectionrole_seq",
    stage="put_role",
    scope="put_collection",
    owner="collection_id",
    same={"collection_id": PLAIN, "group_id": PLAIN},
    rest=("role_id",),
    where="t.group_id IS NOT NULL",
)

_HARVEST: Final = multiset(
    "harvested_collection",
    key="id",
    sequence="harvested_collection_seq",
    stage="put_harvest",
    scope="put_collection",
    owner="collection_id",
    same={"collection_id": PLAIN},
    rest=("harvest_type", "oai_source", "oai_set_id", "metadata_config_id", "last_harvested"),
    given={"harvest_status": "0"},
)
"""Status, message and start time are those of a harvest that is under way: the target's own (a new row is ready)."""


def write_containers(writer: Writer, stage: Stage) -> None:
    """Write them; their `dspaceobject` rows, groups and logos must be there. Template items are written with items."""
    if stage.has("put_community"):
        writer.run("community", _COMMUNITIES)
        writer.run("community2community", _COMMUNITY_IN)
    if stage.has("put_collection"):
        writer.run("collection", _COLLECTIONS)
        writer.run("community2collection", _COLLECTION_IN)
        writer.run("cwf_collectionrole", _ROLES)
        writer.run("harvested_collection", _HARVEST)
