"""Items that are being submitted or reviewed, the tasks around them, and the workflow roles of collections."""

from __future__ import annotations

from daemon.dspace.tables.words import CASCADE, Definer, boolean, foreign, index, integer, text, unique, uuid

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("workspaceitem",
      integer("workspace_item_id", key=True),
      boolean("multiple_titles"),
      boolean("published_before"),
      boolean("multiple_files"),
      integer("stage_reached"),
      integer("page_reached"),
      uuid("item_id", to="item.uuid"),
      uuid("collection_id", to="collection.uuid"),
      unique("item_id", name="unique_item_id"),
      foreign("collection_id", to="collection.uuid", name="workspaceitem_collection_id_fk"),
      index("workspaceitem_coll", "collection_id"),
      index("workspaceitem_item", "item_id"))

    t("cwf_workflowitem",
      integer("workflowitem_id", key=True, draws="cwf_workflowitem_seq"),
      boolean("multiple_titles"),
      boolean("published_before"),
      boolean("multiple_files"),
      uuid("item_id", to="item.uuid"),
      uuid("collection_id", to="collection.uuid"))

    t("cwf_collectionrole",
      integer("collectionrole_id", key=True, draws="cwf_collectionrole_seq"),
      text("role_id"),
      uuid("collection_id", to="collection.uuid"),
      uuid("group_id", to="epersongroup.uuid"))

    t("cwf_workflowitemrole",
      integer("workflowitemrole_id", key=True, draws="cwf_workflowitemrole_seq"),
      text("role_id"),
      integer("workflowitem_id", to="cwf_workflowitem.workflowitem_id"),
      uuid("group_id", to="epersongroup.uuid"),
      uuid("eperson_id", to="eperson.uuid"),
      index("cwf_workflowitemrole_item_fk_idx", "workflowitem_id"),
      index("cwf_workflowitemrole_item_role_fk_idx", "workflowitem_id", "role_id"))

    t("cwf_claimtask",
      integer("claimtask_id", key=True, draws="cwf_claimtask_seq"),
      integer("workflowitem_id", to="cwf_workflowitem.workflowitem_id"),
      text("workflow_id"),
      text("step_id"),
      text("action_id"),
      uuid("owner_id", to="eperson.uuid"),
      index("cwf_claimtask_workflow_fk_idx", "workflowitem_id"),
      index("cwf_claimtask_workflow_step_action_fk_idx", "workflowitem_id", "step_id", "action_id"),
      index("cwf_claimtask_workflow_step_fk_idx", "workflowitem_id", "step_id"))

    t("cwf_pooltask",
      integer("pooltask_id", key=True, draws="cwf_pooltask_seq"),
      integer("workflowitem_id", to="cwf_workflowitem.workflowitem_id"),
      text("workflow_id"),
      text("step_id"),
      text("action_id"),
      uuid("group_id", to="epersongroup.uuid"),
      uuid("eperson_id", to="eperson.uuid"),
      index("cwf_pooltask_workflow_fk_idx", "workflowitem_id"))

    t("cwf_in_progress_user",
      integer("in_progress_user_id", key=True, draws="cwf_in_progress_user_seq"),
      integer("workflowitem_id", to="cwf_workflowitem.workflowitem_id"),
      boolean("finished"),
      uuid("user_id", to="eperson.uuid"),
      index("cwf_in_progress_user_workflow_fk_idx", "workflowitem_id"))

    t("supervision_orders",
      integer("id", key=True),
      uuid("item_id", to="item.uuid", on_delete=CASCADE),
      uuid("eperson_group_id", to="epersongroup.uuid", on_delete=CASCADE))
