"""Entity types, the relationship types between them, and the relationships of items."""

from __future__ import annotations

from daemon.dspace.tables.words import Definer, boolean, index, integer, unique, uuid, varchar

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("entity_type",
      integer("id", key=True),
      varchar("label", 32, null=False, unique=True),
      index("entity_type_label_idx", "label"),
      t.since(8, index("entity_type_label_upper_idx", "upper((label)::text)")))

    t("relationship_type",
      integer("id", key=True),
      integer("left_type", to="entity_type.id", null=False),
      integer("right_type", to="entity_type.id", null=False),
      varchar("leftward_type", 32, null=False),
      varchar("rightward_type", 32, null=False),
      integer("left_min_cardinality"),
      integer("left_max_cardinality"),
      integer("right_min_cardinality"),
      integer("right_max_cardinality"),
      boolean("copy_to_left", null=False, default="false"),
      boolean("copy_to_right", null=False, default="false"),
      integer("tilted"),
      unique("left_type", "right_type", "leftward_type", "rightward_type", name="u_relationship_type_constraint"),
      index("relationship_type_by_left_label_idx", "leftward_type"),
      index("relationship_type_by_left_type_idx", "left_type"),
      index("relationship_type_by_right_label_idx", "rightward_type"),
      index("relationship_type_by_right_type_idx", "right_type"))

    t("relationship",
      integer("id", key=True),
      uuid("left_id", to="item.uuid", null=False),
      integer("type_id", to="relationship_type.id", null=False),
      uuid("right_id", to="item.uuid", null=False),
      integer("left_place"),
      integer("right_place"),
      varchar("leftward_value"),
      varchar("rightward_value"),
      integer("latest_version_status", null=False, default="0"),
      unique("left_id", "type_id", "right_id", name="u_constraint"),
      index("relationship_by_left_id_idx", "left_id"),
      index("relationship_by_right_id_idx", "right_id"))
