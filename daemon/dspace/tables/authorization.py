"""Who may do what with which object, from when until when."""

from __future__ import annotations

from daemon.dspace.tables.words import CASCADE, Definer, check, date, index, integer, text, uuid, varchar

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("resourcepolicy",
      integer("policy_id", key=True),
      integer("resource_type_id"),
      integer("resource_id"),
      integer("action_id"),
      date("start_date"),
      date("end_date"),
      varchar("rpname", 30),
      varchar("rptype", 30),
      text("rpdescription"),
      uuid("eperson_id", to="eperson.uuid"),
      uuid("epersongroup_id", to="epersongroup.uuid"),
      uuid("dspace_object", to="dspaceobject.uuid", on_delete=CASCADE),
      check("eperson_id IS NOT NULL OR epersongroup_id IS NOT NULL",
            name="resourcepolicy_eperson_and_epersongroup_not_nullobject_chk"),
      index("resourcepolicy_action_idx", "action_id"),
      index("resourcepolicy_group", "epersongroup_id"),
      index("resourcepolicy_idx_rptype", "rptype"),
      index("resourcepolicy_object", "dspace_object"),
      index("resourcepolicy_person", "eperson_id"),
      index("resourcepolicy_type_id_idx", "resource_type_id", "resource_id"))
