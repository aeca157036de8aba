"""Items that are being submitted or reviewed: workspace rows, workflow rows and the tasks around them.

Invariant: the batch's items have exactly the rows that they list. An archived item lists none, so writing one that was
a draft here takes its workspace row away, as installing it does.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

from daemon.target.native.sets import PLAIN, Writer, multiset
from daemon.target.native.stage import Stage

_DRAFTS: Final = multiset(
    "workspaceitem",
    key="workspace_item_id",
    sequence="workspaceitem_seq",
    stage="put_draft",
    scope="put_item",
    owner="item_id",
    same={"item_id": PLAIN},
    rest=("collection_id", "multiple_titles", "published_before", "multiple_files", "stage_reached", "page_reached"),
)

_WORKFLOW: Final = multiset(
    "cwf_workflowitem",
    key="workflowitem_id",
    sequence="cwf_workflowitem_seq",
    stage="put_workflow",
    scope="put_item",
    owner="item_id",
    same={"item_id": PLAIN},
    rest=("collection_id", "multiple_titles", "published_before", "multiple_files"),
)

_TASKS_OF_ENDED: Final = """
DELETE FROM {table} t USING cwf_workflowitem f, put_item s
WHERE t.workflowitem_id = f.workflowitem_id AND f.item_id = s.uuid AND NOT EXISTS (
  SELECT FROM put_workflow w WHERE w.item_id = s.uuid)"""
"""The tasks point at the workflow row, which goes after them."""

_SCOPE: Final = "(SELECT f.workflowitem_id AS uuid FROM cwf_workflowitem f JOIN put_item s ON s.uuid = f.item_id)"

_COLUMNS: Final = {
    ("role", "cwf_workflowitemrole", "workflowitemrole_id"): {
        "role_id": "role_id",
        "eperson_id": "person",
        "group_id": "grp",
    },
    ("claim", "cwf_claimtask", "claimtask_id"): {
        "workflow_id": "workflow_id",
        "step_id": "step_id",
        "action_id": "action_id",
        "owner_id": "person",
    },
    ("pool", "cwf_pooltask", "pooltask_id"): {
        "workflow_id": "workflow_id",
        "step_id": "step_id",
        "action_id": "action_id",
        "eperson_id": "person",
        "group_id": "grp",
    },
    ("user", "cwf_in_progress_user", "in_progress_user_id"): {"user_id": "person", "finished": "finished"},
}


def _tasks(task: str, table: str, key: str, columns: dict[str, str]) -> str:
    staged = ", ".join(f"w.{source} AS {column}" for column, source in columns.items())
    return multiset(
        table,
        key=key,
        sequence=f"{table}_seq",
        scope=_SCOPE,
        owner="workflowitem_id",
        same={"workflowitem_id": PLAIN},
        rest=tuple(columns),
        stage=f"""(SELECT (SELECT min(f.workflowitem_id) FROM cwf_workflowitem f WHERE f.item_id = w.item_id)
          AS workflowitem_id, {staged} FROM put_task w WHERE w.task = '{task}')""",
    )


_TASKS: Final = {table: _tasks(task, table, key, columns) for (task, table, key), columns in _COLUMNS.items()}

_SUPERVISION: Final = multiset(
    "supervision_orders",
    key="id",
    sequence="supervision_orders_seq",
    scope="put_item",
    owner="item_id",
    stage="(SELECT item_id, grp AS eperson_group_id FROM put_task WHERE task = 'supervision')",
    same={"item_id": PLAIN},
    rest=("eperson_group_id",),
)


def write_submissions(writer: Writer, stage: Stage, rare: AbstractSet[str]) -> None:
    """Make the workspace and workflow rows of the batch's items as staged; `rare` as in `items.rare_rows`."""
    if stage.has("put_draft") or "workspaceitem" in rare:
        writer.run("workspaceitem", _DRAFTS)
    if not stage.has("put_workflow", "put_task") and not rare & {"cwf_workflowitem", "supervision_orders"}:
        return
    for table in _TASKS:
        writer.run(table, _TASKS_OF_ENDED.format(table=table))
    writer.run("cwf_workflowitem", _WORKFLOW)
    for table, sql in _TASKS.items():
        writer.run(table, sql)
    writer.run("supervision_orders", _SUPERVISION)
