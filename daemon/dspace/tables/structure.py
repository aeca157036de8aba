"""What holds what: parents and children, owners and members, all by UUID.

Only bitstreams have an order, and it is part of their key. `group2groupcache` is the transitive closure of
`group2group`, which DSpace recomputes.
"""

from __future__ import annotations

from daemon.dspace.tables.words import Definer, index, integer, primary, uuid

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("community2community",
      uuid("parent_comm_id", to="community.uuid"),
      uuid("child_comm_id", to="community.uuid"),
      primary("parent_comm_id", "child_comm_id"),
      index("community2community_child", "child_comm_id"),
      index("community2community_parent", "parent_comm_id"))

    t("community2collection",
      uuid("collection_id", to="collection.uuid"),
      uuid("community_id", to="community.uuid"),
      primary("collection_id", "community_id"),
      index("community2collection_collection", "collection_id"),
      index("community2collection_community", "community_id"))

    t("collection2item",
      uuid("collection_id", to="collection.uuid"),
      uuid("item_id", to="item.uuid"),
      primary("collection_id", "item_id"),
      index("collecion2item_collection", "collection_id"),
      index("collecion2item_item", "item_id"))

    t("item2bundle",
      uuid("bundle_id", to="bundle.uuid"),
      uuid("item_id", to="item.uuid"),
      primary("bundle_id", "item_id"),
      index("item2bundle_bundle", "bundle_id"),
      index("item2bundle_item", "item_id"))

    t("bundle2bitstream",
      integer("bitstream_order_legacy"),
      uuid("bundle_id", to="bundle.uuid"),
      uuid("bitstream_id", to="bitstream.uuid"),
      integer("bitstream_order"),
      primary("bitstream_id", "bundle_id", "bitstream_order"),
      index("bundle2bitstream_bitstream", "bitstream_id"),
      index("bundle2bitstream_bundle", "bundle_id"))

    t("epersongroup2eperson",
      uuid("eperson_group_id", to="epersongroup.uuid"),
      uuid("eperson_id", to="eperson.uuid"),
      primary("eperson_group_id", "eperson_id"),
      index("epersongroup2eperson_group", "eperson_group_id"),
      index("epersongroup2eperson_person", "eperson_id"))

    t("group2group",
      uuid("parent_id", to="epersongroup.uuid"),
      uuid("child_id", to="epersongroup.uuid"),
      primary("parent_id", "child_id"),
      index("group2group_child", "child_id"),
      index("group2group_parent", "parent_id"))

    t("group2groupcache",
      uuid("parent_id", to="epersongroup.uuid"),
      uuid("child_id", to="epersongroup.uuid"),
      primary("parent_id", "child_id"),
      index("group2groupcache_child", "child_id"),
      index("group2groupcache_parent", "parent_id"))
