"""What any object may have: metadata values, policies, handles, DOIs and subscriptions, for all subjects of a batch.

Invariants:

* Values and policies are multisets: an unchanged row keeps its id, a changed one is updated where it stands.
* A handle or a DOI is bound to one object. Binding takes it from whatever holds it, a tombstone or another object;
  what an object does not list any more is released, its row staying as a tombstone. The site's handle is never touched.
* The order of an object's handles by `handle_id` is that of their ranks: the lowest is the preferred one.
"""

from __future__ import annotations

from typing import Final

from daemon.dspace.facets import Options
from daemon.target.native.sets import NO_TEXT, NO_UUID, PLAIN, Writer, multiset
from events.aip.model import Uuid

_VALUE_REST: Final = ("text_value", "text_lang", "authority", "confidence")

_VALUES: Final = {
    security: multiset(
        "metadatavalue", key="metadata_value_id", sequence="metadatavalue_seq", stage="put_value", scope="put_subject",
        owner="dspace_object_id", same={"dspace_object_id": PLAIN, "metadata_field_id": PLAIN, "place": PLAIN},
        rest=(*_VALUE_REST, "security_level") if security else _VALUE_REST,
        where="t.metadata_field_id IS NOT NULL AND t.place IS NOT NULL")
    for security in (False, True)
}

_POLICIES: Final = multiset(
    "resourcepolicy", key="policy_id", sequence="resourcepolicy_seq", stage="put_policy", scope="put_subject",
    owner="dspace_object",
    same={"dspace_object": PLAIN, "action_id": PLAIN, "epersongroup_id": NO_UUID, "eperson_id": NO_UUID},
    rest=("start_date", "end_date", "rpname", "rptype", "rpdescription", "resource_type_id"),
    where="t.eperson_id IS NOT NULL OR t.epersongroup_id IS NOT NULL")

# --- handles -----------------------------------------------------------------------------------------------------------

_FOREIGN_HANDLES: Final = """
SELECT w.subject::text, w.handle FROM put_handle w JOIN handle h ON h.handle = w.handle JOIN site s ON s.uuid = h.resource_id"""
"""Wanted handles that are this site's own."""

_KEEP_SITE: Final = "DELETE FROM put_handle w USING handle h, site s WHERE h.handle = w.handle AND s.uuid = h.resource_id"

_RELEASE: Final = """
UPDATE handle h SET resource_id = NULL FROM put_subject s
WHERE h.resource_id = s.uuid AND s.type <> 5 AND NOT EXISTS (SELECT FROM put_handle w WHERE w.handle = h.handle)"""

_BIND: Final = """
UPDATE handle h SET resource_id = w.subject, resource_type_id = w.type, resource_legacy_id = w.legacy_id FROM put_handle w
WHERE h.handle = w.handle
  AND (h.resource_id, h.resource_type_id, h.resource_legacy_id) IS DISTINCT FROM (w.subject, w.type, w.legacy_id)"""

_ADD: Final = """
INSERT INTO handle (handle_id, handle, resource_type_id, resource_legacy_id, resource_id)
SELECT nextval('handle_id_seq'), handle, type, legacy_id, subject FROM (
  SELECT * FROM put_handle w WHERE NOT EXISTS (SELECT FROM handle h WHERE h.handle = w.handle) ORDER BY subject, rank) w"""

_RANK: Final = """
WITH ranked AS (
  SELECT w.subject, w.handle, w.rank, h.handle_id,
         lag(h.handle_id) OVER (PARTITION BY w.subject ORDER BY w.rank) > h.handle_id AS wrong
  FROM put_handle w JOIN handle h ON h.handle = w.handle
  WHERE w.subject IN (SELECT subject FROM put_handle GROUP BY subject HAVING count(*) > 1)),
numbered AS MATERIALIZED (
  SELECT handle_id, nextval('handle_id_seq') AS new FROM (
    SELECT handle_id FROM ranked WHERE subject IN (SELECT subject FROM ranked WHERE wrong) ORDER BY subject, rank) r)
UPDATE handle h SET handle_id = n.new FROM numbered n WHERE h.handle_id = n.handle_id"""

# --- DOIs ----------------------------------------------------------------------------------------------------------------

_RELEASE_DOI: Final = """
UPDATE doi d SET dspace_object = NULL FROM put_subject s
WHERE d.dspace_object = s.uuid AND NOT EXISTS (SELECT FROM put_doi w WHERE w.doi = d.doi)"""

_BIND_DOI: Final = """
UPDATE doi d SET dspace_object = w.subject, resource_type_id = w.type, resource_id = w.legacy_id, status = w.status
FROM put_doi w WHERE d.doi = w.doi AND (d.dspace_object, d.resource_type_id, d.resource_id, d.status)
  IS DISTINCT FROM (w.subject, w.type, w.legacy_id, w.status)"""

_ADD_DOI: Final = """
INSERT INTO doi (doi_id, doi, resource_type_id, resource_id, status, dspace_object)
SELECT nextval('doi_seq'), doi, type, legacy_id, status, subject FROM put_doi w
WHERE NOT EXISTS (SELECT FROM doi d WHERE d.doi = w.doi)"""

# --- subscriptions ---------------------------------------------------------------------------------------------------------

_SUBSCRIPTIONS: Final = f"""
WITH held AS (
  SELECT u.subscription_id, k.*, row_number() OVER (PARTITION BY k.* ORDER BY u.subscription_id) AS _n
  FROM put_subject s JOIN subscription u ON u.dspace_object_id = s.uuid,
  LATERAL (SELECT u.dspace_object_id AS subject, u.eperson_id AS person, {NO_TEXT.format(x="u.type")} AS type,
    u.type IS NULL AS untyped,
    coalesce((SELECT string_agg(concat(q.name, '=', q.value), E'\\n' ORDER BY q.name COLLATE "C", q.value COLLATE "C")
              FROM subscription_parameter q WHERE q.subscription_id = u.subscription_id), '') AS parameters) k
  WHERE u.eperson_id IS NOT NULL),
wanted AS (
  SELECT w.number, k.*, row_number() OVER (PARTITION BY k.* ORDER BY w.number) AS _n
  FROM put_subscription w,
  LATERAL (SELECT w.subject, w.person, {NO_TEXT.format(x="w.type")} AS type, w.type IS NULL AS untyped, w.parameters) k),
differs AS MATERIALIZED (
  SELECT h.subscription_id, w.number FROM held h FULL JOIN wanted w USING (subject, person, type, untyped, parameters, _n)
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
  SELECT nextval('subscription_parameter_seq'), p.name, p.value, n.id FROM new n JOIN put_parameter p ON p.subscription = n.number
  RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM parameters), (SELECT count(*) FROM gone)"""
"""Writes subscription and subscription_parameter (the parameters of a removed one go with it, by the foreign key). They
have nothing that could be updated: one with another frequency is another one."""


def write_common(writer: Writer, options: Options) -> list[tuple[Uuid, str]]:
    """Write all of it; `put_subject` must be in `dspaceobject`. Returns what could not be, as (uuid, text)."""
    writer.run("metadatavalue", _VALUES[options.security])
    writer.run("resourcepolicy", _POLICIES)
    losses = write_handles(writer)
    writer.run("doi", _RELEASE_DOI)
    writer.run("doi", _BIND_DOI)
    writer.run("doi", _ADD_DOI)
    writer.run("subscription", _SUBSCRIPTIONS)
    return losses


def write_handles(writer: Writer) -> list[tuple[Uuid, str]]:
    """Bind, release and order the handles. A handle that is the target's own site's is refused, and returned."""
    writer.cursor.execute(_FOREIGN_HANDLES)
    taken = writer.cursor.fetchall()
    if taken:
        writer.cursor.execute(_KEEP_SITE)
    writer.run("handle", _RELEASE)
    writer.run("handle", _BIND)
    writer.run("handle", _ADD)
    writer.run("handle", _RANK)
    return [(uuid, f"handle {handle} is the target site's own") for uuid, handle in taken]
