"""Where collections are harvested from by OAI-PMH, and which record each item came from."""

from __future__ import annotations

from daemon.dspace.tables.words import Definer, index, integer, timestamptz, uuid, varchar

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("harvested_collection",
      integer("harvest_type"),
      varchar("oai_source"),
      varchar("oai_set_id"),
      varchar("harvest_message"),
      varchar("metadata_config_id"),
      integer("harvest_status"),
      timestamptz("harvest_start_time"),
      timestamptz("last_harvested"),
      integer("id", key=True),
      uuid("collection_id", to="collection.uuid"),
      index("harvested_collection_collection", "collection_id"))

    t("harvested_item",
      timestamptz("last_harvested"),
      varchar("oai_id"),
      integer("id", key=True),
      uuid("item_id", to="item.uuid"),
      index("harvested_item_item", "item_id"))
