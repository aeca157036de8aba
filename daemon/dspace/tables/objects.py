"""The object spine: every repository object is a row of `dspaceobject` and a row of the table of its type.

There is no type column: what an object is follows from which of these tables holds its UUID. The integer columns
(`item_id`, ...) are keys of DSpace 5 and older, kept for old links only.
"""

from __future__ import annotations

from daemon.dspace.tables.words import (
    RANDOM,
    Definer,
    bigint,
    boolean,
    index,
    integer,
    timestamp,
    timestamptz,
    unique,
    uuid,
    varchar,
)

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("dspaceobject",
      uuid("uuid", key=True))

    t("site",
      uuid("uuid", to="dspaceobject.uuid", key=True))

    t("community",
      integer("community_id"),
      uuid("uuid", to="dspaceobject.uuid", key=True, unique=True, default=RANDOM),
      uuid("admin", to="epersongroup.uuid"),
      uuid("logo_bitstream_id", to="bitstream.uuid"),
      unique("uuid", name="community_id_unique"),
      index("community_admin", "admin"),
      index("community_bitstream", "logo_bitstream_id"),
      index("community_id_idx", "community_id"))

    t("collection",
      integer("collection_id"),
      uuid("uuid", to="dspaceobject.uuid", key=True, unique=True, default=RANDOM),
      uuid("submitter", to="epersongroup.uuid"),
      uuid("template_item_id"),
      uuid("logo_bitstream_id"),
      uuid("admin", to="epersongroup.uuid"),
      unique("uuid", name="collection_id_unique"),
      index("collection_bitstream", "logo_bitstream_id"),
      index("collection_id_idx", "collection_id"),
      index("collection_submitter", "submitter"),
      index("collection_template", "template_item_id"))

    t("item",
      integer("item_id"),
      boolean("in_archive"),
      boolean("withdrawn"),
      timestamptz("last_modified"),
      boolean("discoverable"),
      uuid("uuid", to="dspaceobject.uuid", key=True, unique=True, default=RANDOM),
      uuid("submitter_id", to="eperson.uuid"),
      uuid("owning_collection", to="collection.uuid"),
      unique("uuid", name="item_id_unique"),
      index("item_collection", "owning_collection"),
      index("item_id_idx", "item_id"),
      index("item_submitter", "submitter_id"))

    t("bundle",
      integer("bundle_id"),
      uuid("uuid", to="dspaceobject.uuid", key=True, unique=True, default=RANDOM),
      uuid("primary_bitstream_id", to="bitstream.uuid"),
      unique("uuid", name="bundle_id_unique"),
      index("bundle_id_idx", "bundle_id"),
      index("bundle_primary", "primary_bitstream_id"))

    t("bitstream",
      integer("bitstream_id"),
      integer("bitstream_format_id", to="bitstreamformatregistry.bitstream_format_id"),
      varchar("checksum", 64),
      varchar("checksum_algorithm", 32),
      varchar("internal_id", 256),
      boolean("deleted"),
      integer("store_number"),
      integer("sequence_id"),
      bigint("size_bytes"),
      uuid("uuid", to="dspaceobject.uuid", key=True, unique=True, default=RANDOM),
      unique("uuid", name="bitstream_id_unique"),
      index("bit_bitstream_fk_idx", "bitstream_format_id"),
      index("bitstream_id_idx", "bitstream_id"))

    t("eperson",
      integer("eperson_id"),
      varchar("email", 64, unique=True),
      varchar("password", 128),
      boolean("can_log_in"),
      boolean("require_certificate"),
      boolean("self_registered"),
      timestamp("last_active"),
      integer("sub_frequency"),
      varchar("netid", 64, unique=True),
      varchar("salt", 32),
      varchar("digest_algorithm", 16),
      uuid("uuid", to="dspaceobject.uuid", key=True, unique=True, default=RANDOM),
      varchar("session_salt", 32),
      unique("uuid", name="eperson_id_unique"),
      index("eperson_email_idx", "email"),
      index("eperson_id_idx", "eperson_id"))

    t("epersongroup",
      integer("eperson_group_id"),
      uuid("uuid", to="dspaceobject.uuid", key=True, unique=True, default=RANDOM),
      boolean("permanent", default="false"),
      varchar("name", 250),
      unique("uuid", name="epersongroup_id_unique"),
      index("eperson_group_id_idx", "eperson_group_id"),
      index("epersongroup_unique_idx_name", "name", unique=True))
