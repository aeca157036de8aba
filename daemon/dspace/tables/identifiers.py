"""Handles and DOIs. A row without an object is a tombstone, which keeps the identifier from being given again."""

from __future__ import annotations

from daemon.dspace.tables.words import Definer, index, integer, uuid, varchar

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("handle",
      integer("handle_id", key=True),
      varchar("handle", 256, unique=True),
      integer("resource_type_id"),
      integer("resource_legacy_id"),
      uuid("resource_id", to="dspaceobject.uuid"),
      index("handle_handle_idx", "handle"),
      index("handle_object", "resource_id"),
      index("handle_resource_id_and_type_idx", "resource_legacy_id", "resource_type_id"))

    t("doi",
      integer("doi_id", key=True),
      varchar("doi", 256, unique=True),
      integer("resource_type_id"),
      integer("resource_id"),
      integer("status"),
      uuid("dspace_object", to="dspaceobject.uuid"),
      index("doi_doi_idx", "doi"),
      index("doi_object", "dspace_object"),
      index("doi_resource_id_and_type_idx", "resource_id", "resource_type_id"))
