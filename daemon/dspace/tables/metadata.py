"""Schemas, fields and values of metadata. Field ids differ between installations; names do not.

`security_level` (from 10) is the only column of content in which the versions differ.
"""

from __future__ import annotations

from daemon.dspace.tables.words import CASCADE, Definer, index, integer, text, uuid, varchar

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("metadataschemaregistry",
      integer("metadata_schema_id", key=True, draws="metadataschemaregistry_seq"),
      varchar("namespace", 256, unique=True),
      varchar("short_id", 32),
      index("metadataschemaregistry_unique_idx_short_id", "short_id", unique=True))

    t("metadatafieldregistry",
      integer("metadata_field_id", key=True, draws="metadatafieldregistry_seq"),
      integer("metadata_schema_id", to="metadataschemaregistry.metadata_schema_id", null=False),
      varchar("element", 64),
      varchar("qualifier", 64),
      text("scope_note"),
      index("metadatafield_schema_idx", "metadata_schema_id"),
      index("metadatafieldregistry_idx_element_qualifier", "element", "qualifier"))

    t("metadatavalue",
      integer("metadata_value_id", key=True, draws="metadatavalue_seq"),
      integer("metadata_field_id", to="metadatafieldregistry.metadata_field_id"),
      text("text_value"),
      varchar("text_lang", 24),
      integer("place"),
      varchar("authority", 100),
      integer("confidence", default="'-1'::integer"),
      uuid("dspace_object_id", to="dspaceobject.uuid", on_delete=CASCADE),
      t.since(10, integer("security_level")),
      index("metadatavalue_field_fk_idx", "metadata_field_id"),
      index("metadatavalue_field_object", "metadata_field_id", "dspace_object_id"),
      index("metadatavalue_object", "dspace_object_id"))
