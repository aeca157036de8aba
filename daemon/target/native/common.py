"""What any object may have: metadata values, policies, handles, DOIs and subscriptions, for all subjects of a batch.

Invariants:

* Values and policies are multisets: an unchanged row keeps its id, a changed one is updated where it stands.
* A handle or a DOI is bound to one object. Binding takes it from whatever holds it, a tombstone or another object;
  what an object does not list any more is released, its row staying as a tombstone. The site's handle is never touched.
* The order of an object's handles by `handle_id` is that of their ranks: the lowest is the preferred one.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

from daemon.dspace.facets import Options
from daemon.target.native.sets import NO_TEXT, NO_UUID, PLAIN, Writer, among, multiset
from daemon.target.native.stage import Stage
from events.aip.model import Uuid

_VALUE_REST: Final = ("text_value", "text_lang", "authority", "confidence")

_VALUES: Final = {
    security: multiset(
        "metadatavalue",
        key="metadata_value_id",
        sequence="metadatavalue_seq",
        stage="put_value",
        scope="put_subject",
        owner="dspace_object_id",
        same={"dspace_object_id": PLAIN, "metadata_field_id": PLAIN, "place": PLAIN},
        rest=(*_VALUE_REST, "security_level") if security else _VALUE_REST,
        where="t.metadata_field_id IS NOT NULL AND t.place IS NOT NULL",
    )
    for security in (False, True)
}

_POLICIES: Final = multiset(
    "resourcepolicy",
    key="policy_id",
    sequence="resourcepolicy_seq",
    stage="put_policy",
    scope="put_subject",
    owner="dspace_object",
    same={"dspace_object": PLAIN, "action_id": PLAIN, "epersongroup_id": NO_UUID, "eperson_id": NO_UUID},
    rest=("start_date", "end_date", "rpname", "rptype", "rpdescription", "resource_type_id"),
    where="t.eperson_id IS NOT NULL OR t.epersongroup_id IS NOT NULL",
)

# --- handles -------------------------------------------------------------------------------------------------------

_BY_HANDLE: Final = among("h.handle", "put_handle", "handle")
_BY_DOI: Final = among("d.doi", "put_doi", "doi")

_FOREIGN_HANDLES: Final = f"""
SELECT w.subject::text, w.handle FROM put_handle w JOIN handle h ON h.handle = w.handle
  JOIN site s ON s.uuid = h.resource_id
WHERE {_BY_HANDLE}"""
"""Wanted handles that are this site's own."""

_KEEP_SITE: Final = (
    "DELETE FROM put_handle w USING handle h, site s WHERE h.handle = w.handle AND s.uuid = h.resource_id"
)

_RELEASE: Final = f"""
UPDATE handle h SET resource_id = NULL WHERE {among("h.resource_id", "put_subject")}
  AND h.resource_id NOT IN (SELECT uuid FROM site) AND NOT EXISTS (SELECT FROM put_handle w
    WHERE w.handle = h.handle)"""

_BIND: Final = f"""
UPDATE handle h SET resource_id = w.subject, resource_type_id = w.type, resource_legacy_id = w.legacy_id
  FROM put_handle w
WHERE h.handle = w.handle AND {_BY_HANDLE}
  AND (h.resource_id, h.resource_type_id, h.resource_legacy_id) IS DISTINCT FROM (w.subject, w.type, w.legacy_id)"""

_ADD: Final = f"""
INSERT INTO handle (handle_id, handle, resource_type_id, resource_legacy_id, resource_id)
SELECT nextval('handle_id_seq'), handle, type, legacy_id, subject FROM (
  SELECT * FROM put_handle w WHERE w.handle NOT IN (SELECT h.handle FROM handle h WHERE {_BY_HANDLE})
  ORDER BY subject, rank) w"""

_RANK: Final = f"""
WITH ranked AS MATERIALIZED (
  SELECT w.subject, w.handle, w.rank, h.handle_id,
         lag(h.handle_id) OVER (PARTITION BY w.subject ORDER BY w.rank) > h.handle_id AS wrong
  FROM put_handle w JOIN handle h ON h.handle = w.handle
  WHERE w.subject IN (SELECT subject FROM put_handle WHERE rank > 0) AND {_BY_HANDLE}),
numbered AS MATERIALIZED (
  SELECT handle_id, nextval('handle_id_seq') AS new FROM (
    SELECT handle_id FROM ranked WHERE subject IN (SELECT subject FROM ranked WHERE wrong) ORDER BY subject, rank) r)
UPDATE handle h SET handle_id = n.new FROM numbered n
WHERE h.handle_id = n.handle_id AND {among("h.handle_id", "numbered", "handle_id")}"""

# --- DOIs ----------------------------------------------------------------------------------------------------------

_RELEASE_DOI: Final = f"""
UPDATE doi d SET dspace_object = NULL
WHERE {among("d.dspace_object", "put_subject")} AND NOT EXISTS (SELECT FROM put_doi w WHERE w.doi = d.doi)"""

_BIND_DOI: Final = f"""
UPDATE doi d SET dspace_object = w.subject, resource_type_id = w.type, resource_id = w.legacy_id, status = w.status
FROM put_doi w WHERE d.doi = w.doi AND {_BY_DOI} AND (d.dspace_object, d.resource_type_id, d.resource_id, d.status)
  IS DISTINCT FROM (w.subject, w.type, w.legacy_id, w.status)"""

_ADD_DOI: Final = f"""
INSERT INTO doi (doi_id, doi, resource_type_id, resource_id, status, dspace_object)
SELECT nextval('doi_seq'), doi, type, legacy_id, status, subject FROM put_doi w
WHERE w.doi NOT IN (SELECT d.doi FROM doi d WHERE {_BY_DOI})"""

# --- subscriptions -------------------------------------------------------------------------------------------------

_SUBSCRIPTIONS: Final = f"""
WITH held AS (
  SELECT u.subscription_id, k.*, row_number() OVER (PARTITION BY k.* ORDER BY u.subscription_id) AS _n
  FROM subscription u,
  LATERAL (SELECT u.dspace_object_id AS subject, u.eperson_id AS person, {NO_TEXT.format(x="u.type")} AS type,
    u.type IS NULL AS untyped,
    coalesce((SELECT string_agg(concat(q.name, '=', q.value), E'\\n' ORDER BY q.name COLLATE "C", q.value COLLATE "C")
              FROM subscription_parameter q WHERE q.subscription_id = u.subscription_id), '') AS parameters) k
  WHERE u.eperson_id IS NOT NULL AND {among("u.dspace_object_id", "put_subject")}),
wanted AS (
  SELECT w.number, k.*, row_number() OVER (PARTITION BY k.* ORDER BY w.number) AS _n
  FROM put_subscription w,
  LATERAL (SELECT w.subject, w.person, {NO_TEXT.format(x="w.type")} AS type, w.type IS NULL AS untyped,
    w.parameters) k),
differs AS MATERIALIZED (
  SELECT h.subscription_id, w.number FROM held h FULL
    JOIN wanted w USING (subject, person, type, untyped, parameters, _n)
  WHERE h.subscription_id IS NULL OR w.number IS NULL),
gone AS (
  DELETE FROM subscription u USING differs d WHERE u.subscription_id = d.subscription_id RETURNING 1),
new AS MATERIALIZED (
  SELECT nextval('subscription_seq') AS id, w.* FROM put_subscription w
  WHERE w.number IN (SELECT number FROM differs WHERE subscription_id IS NULL)),
made AS (
  INSERT INTO subscription (subscription_id, eperson_id, dspace_object_id, type)
  SELECT id, person, subject, type FROM new RETURNING 1),
parameters AS (
  INSERT INTO subscription_parameter (subscription_parameter_id, name, value, subscription_id)
  SELECT nextval('subscription_parameter_seq'), p.name, p.value, n.id FROM new n
    JOIN put_parameter p ON p.subscription = n.number
  RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM parameters), (SELECT count(*) FROM gone)"""
"""Writes subscription and subscription_parameter (the parameters of a removed one go with it, by the foreign key). They
have nothing that could be updated: one with another frequency is another one."""


def write_common(writer: Writer, stage: Stage, options: Options, rare: AbstractSet[str]) -> list[tuple[Uuid, str]]:
    """Write all of it; `put_subject` must be in `dspaceobject`. Returns handles that could not be.

    `rare` names the tables in which the target has something of the batch's objects (`rare_rows`).
    """
    writer.run("metadatavalue", _VALUES[options.security])
    writer.run("resourcepolicy", _POLICIES)
    losses = write_handles(writer, stage)
    if stage.has("put_doi") or "doi" in rare:
        writer.run("doi", _RELEASE_DOI)
        writer.run("doi", _BIND_DOI)
        writer.run("doi", _ADD_DOI)
    if stage.has("put_subscription") or "subscription" in rare:
        writer.run("subscription", _SUBSCRIPTIONS)
    return losses


def write_handles(writer: Writer, stage: Stage) -> list[tuple[Uuid, str]]:
    """Bind, release and order the handles. A handle that is the target's own site's is refused, and returned."""
    writer.run("handle", _RELEASE)
    if not stage.has("put_handle"):
        return []
    writer.cursor.execute(_FOREIGN_HANDLES)
    taken = writer.cursor.fetchall()
    if taken:
        writer.cursor.execute(_KEEP_SITE)
    writer.run("handle", _BIND)
    writer.run("handle", _ADD)
    writer.run("handle", _RANK)
    return [(uuid, handle) for uuid, handle in taken]
