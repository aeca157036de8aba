"""Version histories and their versions. A version without an item is a deleted one."""

from __future__ import annotations

from daemon.dspace.tables.words import Definer, index, integer, timestamp, uuid, varchar

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("versionhistory",
      integer("versionhistory_id", key=True))

    t("versionitem",
      integer("versionitem_id", key=True),
      integer("version_number"),
      timestamp("version_date"),
      varchar("version_summary", 255),
      integer("versionhistory_id", to="versionhistory.versionhistory_id"),
      uuid("eperson_id", to="eperson.uuid"),
      uuid("item_id", to="item.uuid"),
      index("versionitem_item", "item_id"),
      index("versionitem_person", "eperson_id"))
