"""Which rows make up an object: one `Facet` for each row class of the model, per kind of object.

Invariant: this is the only place that says what belongs to an object. The snapshot reader, the fingerprint (and so
`poll`, `verify`, drift detection) and the differences that the replay writes are all made from these facets, so what
one of them sees all of them see.

Every facet is a SELECT whose first column is `owner` (the UUID of the object that the event is about, as text) and
whose other columns are the fields of the facet's row class in order. The SELECT may use these CTEs:

    scope(owner)               the objects asked for: all of the kind that are in scope, or those of `%(uuids)s`
    part(owner, subject, name) the object and its parts (bundles, bitstreams, logo, template item); `name` is the
                               UUID by which the source calls `subject`
    field(id, name)            the metadata registry: `dc.title`

`$ref(x)` stands for the source's name of the UUID `x` (text). On a source that is `x` itself; on a target a few
objects (the site, Anonymous, Administrator, people found by e-mail) have another UUID, kept in `aipstream.alias`.
`$live(x)` is true if the item row `x` is in scope. Reference: dspace-database §1, §2, §6.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from events.aip import model, registry_rows
from events.aip.model import Kind
from events.aip.row import Row


class Options(NamedTuple):
    """What changes the SQL: `security` if the column `metadatavalue.security_level` exists (DSpace 10), `aliased` on
    a target with `aipstream.alias`, and the two settings of the source that widen the scope.
    """

    security: bool = False
    aliased: bool = False
    passwords: bool = False
    drafts: bool = False


class Facet(NamedTuple):
    """One list of rows of an object. `digest` is False for what does not make an object another one."""

    name: str
    row: type[Row]
    sql: str
    digest: bool = True


_PARTS_OF_ITEM: Final = """
    SELECT s.owner, s.owner AS subject, s.owner::text AS name FROM scope s
    UNION ALL
    SELECT DISTINCT s.owner, ib.bundle_id, ib.bundle_id::text FROM scope s JOIN item2bundle ib ON ib.item_id = s.owner
    UNION ALL
    SELECT DISTINCT s.owner, b.uuid, b.uuid::text FROM scope s JOIN item2bundle ib ON ib.item_id = s.owner
      JOIN bundle2bitstream bb ON bb.bundle_id = ib.bundle_id
      JOIN bitstream b ON b.uuid = bb.bitstream_id AND NOT b.deleted
"""

_PARTS_OF_COMMUNITY: Final = """
    SELECT s.owner, s.owner AS subject, s.owner::text AS name FROM scope s
    UNION ALL
    SELECT s.owner, b.uuid, b.uuid::text FROM scope s JOIN community c ON c.uuid = s.owner
      JOIN bitstream b ON b.uuid = c.logo_bitstream_id AND NOT b.deleted
"""

_PARTS_OF_COLLECTION: Final = """
    SELECT s.owner, s.owner AS subject, s.owner::text AS name FROM scope s
    UNION ALL
    SELECT s.owner, b.uuid, b.uuid::text FROM scope s JOIN collection c ON c.uuid = s.owner
      JOIN bitstream b ON b.uuid = c.logo_bitstream_id AND NOT b.deleted
    UNION ALL
    SELECT s.owner, i.uuid, i.uuid::text FROM scope s JOIN collection c ON c.uuid = s.owner
      JOIN item i ON i.uuid = c.template_item_id
    UNION ALL
    SELECT DISTINCT s.owner, ib.bundle_id, ib.bundle_id::text FROM scope s JOIN collection c ON c.uuid = s.owner
      JOIN item2bundle ib ON ib.item_id = c.template_item_id
    UNION ALL
    SELECT DISTINCT s.owner, b.uuid, b.uuid::text FROM scope s JOIN collection c ON c.uuid = s.owner
      JOIN item2bundle ib ON ib.item_id = c.template_item_id
      JOIN bundle2bitstream bb ON bb.bundle_id = ib.bundle_id
      JOIN bitstream b ON b.uuid = bb.bitstream_id AND NOT b.deleted
"""

_SELF: Final = "SELECT s.owner, s.owner AS subject, $ref(s.owner) AS name FROM scope s"

REGISTRY_KEYS: Final = """
    SELECT md5('aipstream/schema/' || short_id)::uuid AS owner, 'schema/' || short_id AS key FROM metadataschemaregistry
    UNION ALL SELECT md5('aipstream/formats')::uuid, 'formats'
    UNION ALL SELECT md5('aipstream/entities')::uuid, 'entities'
"""

_TOMBSTONE_KEYS: Final = """
    SELECT md5('aipstream/handle/' || handle)::uuid AS owner, 'handle/' || handle AS key
      FROM handle WHERE resource_id IS NULL AND handle IS NOT NULL
    UNION ALL SELECT md5('aipstream/doi/' || doi)::uuid, 'doi/' || doi
      FROM doi WHERE dspace_object IS NULL AND doi IS NOT NULL
"""

OBJECTS: Final[Mapping[Kind, str]] = {
    Kind.REGISTRY: f"SELECT k.owner FROM ({REGISTRY_KEYS}) k WHERE $among(k.owner)",
    Kind.PERSON: "SELECT e.uuid AS owner FROM eperson e WHERE $among(e.uuid)",
    Kind.GROUP: "SELECT g.uuid AS owner FROM epersongroup g WHERE $among(g.uuid)",
    Kind.SITE: "SELECT t.uuid AS owner FROM site t WHERE $among(t.uuid)",
    Kind.COMMUNITY: "SELECT c.uuid AS owner FROM community c WHERE $among(c.uuid)",
    Kind.COLLECTION: "SELECT c.uuid AS owner FROM collection c WHERE $among(c.uuid)",
    Kind.ITEM: "SELECT i.uuid AS owner FROM item i WHERE $live(i) AND $among(i.uuid)",
    Kind.TOMBSTONE: f"SELECT k.owner FROM ({_TOMBSTONE_KEYS}) k WHERE $among(k.owner)",
}
"""The objects of a kind that are in scope, as (owner)."""

PARTS: Final[Mapping[Kind, str]] = {
    Kind.REGISTRY: _SELF, Kind.PERSON: _SELF, Kind.GROUP: _SELF, Kind.SITE: _SELF, Kind.TOMBSTONE: _SELF,
    Kind.COMMUNITY: _PARTS_OF_COMMUNITY, Kind.COLLECTION: _PARTS_OF_COLLECTION, Kind.ITEM: _PARTS_OF_ITEM,
}

LIVE: Final = """(({x}.in_archive OR {x}.withdrawn OR EXISTS (SELECT FROM versionitem _v WHERE _v.item_id = {x}.uuid))
     AND NOT EXISTS (SELECT FROM workspaceitem _w WHERE _w.item_id = {x}.uuid)
     AND NOT EXISTS (SELECT FROM cwf_workflowitem _f WHERE _f.item_id = {x}.uuid))"""
"""Archived, withdrawn, or an old version (dspace-database §2.4); not a draft, a template or debris."""

LIVE_OR_DRAFT: Final = """({x}.in_archive OR {x}.withdrawn
     OR EXISTS (SELECT FROM versionitem _v WHERE _v.item_id = {x}.uuid)
     OR EXISTS (SELECT FROM workspaceitem _w WHERE _w.item_id = {x}.uuid)
     OR EXISTS (SELECT FROM cwf_workflowitem _f WHERE _f.item_id = {x}.uuid))"""

INSTANT: Final = "to_char({x} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
LOCAL_INSTANT: Final = "to_char({x}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"

# --- facets that several kinds share ------------------------------------------------------------------------

_VALUES = Facet("values", model.Value, """
    SELECT p.owner::text, p.name, f.name AS field, m.place, m.text_value, m.text_lang, m.authority,
           m.confidence, $security
    FROM part p JOIN metadatavalue m ON m.dspace_object_id = p.subject JOIN field f ON f.id = m.metadata_field_id""")

_POLICIES = Facet("policies", model.Policy, """
    SELECT p.owner::text, p.name, r.action_id, $ref(r.epersongroup_id), $ref(r.eperson_id), r.start_date::text,
           r.end_date::text,
           r.rpname, r.rptype, r.rpdescription
    FROM part p JOIN resourcepolicy r ON r.dspace_object = p.subject
    WHERE r.eperson_id IS NOT NULL OR r.epersongroup_id IS NOT NULL""")

_HANDLES = Facet("handles", model.HandleRow, """
    SELECT p.owner::text, p.name, h.handle,
           (row_number() OVER (PARTITION BY p.owner, h.resource_id ORDER BY h.handle_id) - 1)::int, h.resource_legacy_id
    FROM part p JOIN handle h ON h.resource_id = p.subject WHERE h.handle IS NOT NULL""")

_DOIS = Facet("dois", model.Doi, """
    SELECT p.owner::text, p.name, d.doi, d.status, d.resource_id
    FROM part p JOIN doi d ON d.dspace_object = p.subject WHERE d.doi IS NOT NULL""")

_SUBSCRIPTIONS = Facet("subscriptions", model.Subscription, """
    SELECT p.owner::text, p.name, $ref(u.eperson_id), u.type,
           coalesce((SELECT string_agg(concat(q.name, '=', q.value), E'\\n' ORDER BY q.name COLLATE "C",
           q.value COLLATE "C")
                     FROM subscription_parameter q WHERE q.subscription_id = u.subscription_id), '')
    FROM part p JOIN subscription u ON u.dspace_object_id = p.subject WHERE u.eperson_id IS NOT NULL""")

_ITEM_COLUMNS = f"""i.uuid::text, i.item_id, i.in_archive, i.withdrawn, i.discoverable,
           {INSTANT.format(x="i.last_modified")}, $ref(i.submitter_id), i.owning_collection::text"""

_BUNDLES = Facet("bundles", model.BundleRow, """
    SELECT p.owner::text, ib.item_id::text, u.uuid::text, u.bundle_id,
           (SELECT b.uuid::text FROM bitstream b WHERE b.uuid = u.primary_bitstream_id AND NOT b.deleted)
    FROM part p JOIN item2bundle ib ON ib.item_id = p.subject JOIN bundle u ON u.uuid = ib.bundle_id""")

_PLACED = Facet("placed", model.Placed, """
    SELECT p.owner::text, bb.bundle_id::text, bb.bitstream_id::text,
           (row_number() OVER (PARTITION BY p.owner, bb.bundle_id
                               ORDER BY bb.bitstream_order, bb.bitstream_id) - 1)::int,
           bb.bitstream_order_legacy
    FROM part p JOIN bundle2bitstream bb ON bb.bundle_id = p.subject
      JOIN bitstream b ON b.uuid = bb.bitstream_id AND NOT b.deleted""")

_BITSTREAMS = Facet("bitstreams", model.BitstreamRow, """
    SELECT p.owner::text, b.uuid::text, b.bitstream_id, x.short_description, b.checksum, b.checksum_algorithm,
           b.sequence_id, b.size_bytes
    FROM part p JOIN bitstream b ON b.uuid = p.subject
      LEFT JOIN bitstreamformatregistry x ON x.bitstream_format_id = b.bitstream_format_id""")

_STORED = Facet("stored", model.Stored, """
    SELECT p.owner::text, b.uuid::text, b.internal_id, b.store_number, NULL::text
    FROM part p JOIN bitstream b ON b.uuid = p.subject""", digest=False)

_FORMATS_USED = Facet("formats", registry_rows.Format, """
    SELECT DISTINCT p.owner::text, x.short_description, x.mimetype, x.description, x.support_level, x.internal,
           ARRAY(SELECT e.extension::text FROM fileextension e WHERE e.bitstream_format_id = x.bitstream_format_id
                 ORDER BY e.file_extension_id)
    FROM part p JOIN bitstream b ON b.uuid = p.subject
      JOIN bitstreamformatregistry x ON x.bitstream_format_id = b.bitstream_format_id""", digest=False)

_COMMON = (_VALUES, _POLICIES, _HANDLES, _DOIS, _SUBSCRIPTIONS)
_FILES = (_BITSTREAMS, _STORED, _FORMATS_USED)

# --- people and groups --------------------------------------------------------------------------------------

_PERSON = Facet("person", model.PersonRow, """
    SELECT s.owner::text, $ref(e.uuid), e.eperson_id, e.email, e.netid, e.can_log_in, e.require_certificate,
           e.self_registered, e.sub_frequency, $secret(e.password), $secret(e.salt), $secret(e.digest_algorithm)
    FROM scope s JOIN eperson e ON e.uuid = s.owner""")

_GROUP = Facet("group", model.GroupRow, """
    SELECT s.owner::text, $ref(g.uuid), g.eperson_group_id, g.name, g.permanent
    FROM scope s JOIN epersongroup g ON g.uuid = s.owner""")

_PERSONS_IN = Facet("persons_in", model.Member, """
    SELECT s.owner::text, $ref(s.owner), $ref(m.eperson_id)
    FROM scope s JOIN epersongroup2eperson m ON m.eperson_group_id = s.owner""")

_GROUPS_IN = Facet("groups_in", model.Member, """
    SELECT s.owner::text, $ref(s.owner), $ref(m.child_id) FROM scope s JOIN group2group m ON m.parent_id = s.owner""")

# --- containers ---------------------------------------------------------------------------------------------

_SITE = Facet("site", model.SiteRow, "SELECT s.owner::text, $ref(s.owner) FROM scope s")

_COMMUNITY = Facet("community", model.CommunityRow, """
    SELECT s.owner::text, c.uuid::text, c.community_id, $ref(c.admin),
           (SELECT b.uuid::text FROM bitstream b WHERE b.uuid = c.logo_bitstream_id AND NOT b.deleted)
    FROM scope s JOIN community c ON c.uuid = s.owner""")

_COMMUNITY_PARENTS = Facet("parents", model.Member, """
    SELECT s.owner::text, s.owner::text, m.parent_comm_id::text
    FROM scope s JOIN community2community m ON m.child_comm_id = s.owner""")

_COLLECTION = Facet("collection", model.CollectionRow, """
    SELECT s.owner::text, c.uuid::text, c.collection_id, $ref(c.submitter), $ref(c.admin),
           (SELECT i.uuid::text FROM item i WHERE i.uuid = c.template_item_id),
           (SELECT b.uuid::text FROM bitstream b WHERE b.uuid = c.logo_bitstream_id AND NOT b.deleted)
    FROM scope s JOIN collection c ON c.uuid = s.owner""")

_COLLECTION_PARENTS = Facet("parents", model.Member, """
    SELECT s.owner::text, s.owner::text, m.community_id::text
    FROM scope s JOIN community2collection m ON m.collection_id = s.owner""")

_TEMPLATE = Facet("items", model.ItemRow, f"""
    SELECT s.owner::text, {_ITEM_COLUMNS}
    FROM scope s JOIN collection c ON c.uuid = s.owner JOIN item i ON i.uuid = c.template_item_id""")

_ROLES = Facet("roles", model.Role, """
    SELECT s.owner::text, s.owner::text, r.role_id, $ref(r.group_id)
    FROM scope s JOIN cwf_collectionrole r ON r.collection_id = s.owner WHERE r.group_id IS NOT NULL""")

_HARVEST_SOURCE = Facet("harvest_source", model.HarvestSource, f"""
    SELECT s.owner::text, s.owner::text, h.harvest_type, h.oai_source, h.oai_set_id, h.metadata_config_id,
           {INSTANT.format(x="h.last_harvested")}
    FROM scope s JOIN harvested_collection h ON h.collection_id = s.owner""")

# --- items --------------------------------------------------------------------------------------------------

_ITEM = Facet("items", model.ItemRow, f"""
    SELECT s.owner::text, {_ITEM_COLUMNS} FROM scope s JOIN item i ON i.uuid = s.owner""")

_ITEM_PARENTS = Facet("parents", model.Member, """
    SELECT s.owner::text, s.owner::text, m.collection_id::text
    FROM scope s JOIN collection2item m ON m.item_id = s.owner""")

_HARVESTED = Facet("harvested", model.HarvestedItem, f"""
    SELECT s.owner::text, s.owner::text, h.oai_id, {INSTANT.format(x="h.last_harvested")}
    FROM scope s JOIN harvested_item h ON h.item_id = s.owner""")

_RELATIONS = Facet("relations", model.Relation, """
    SELECT e.owner::text, r.left_id::text, lt.label, t.leftward_type, t.rightward_type, rt.label, r.right_id::text,
           r.left_place, r.right_place, r.leftward_value, r.rightward_value, r.latest_version_status
    FROM (SELECT s.owner, r.id FROM scope s JOIN relationship r ON r.left_id = s.owner
          UNION SELECT s.owner, r.id FROM scope s JOIN relationship r ON r.right_id = s.owner) e
      JOIN relationship r ON r.id = e.id JOIN relationship_type t ON t.id = r.type_id
      JOIN entity_type lt ON lt.id = t.left_type JOIN entity_type rt ON rt.id = t.right_type
    WHERE EXISTS (SELECT FROM item x WHERE x.uuid = r.left_id AND $live(x))
      AND EXISTS (SELECT FROM item x WHERE x.uuid = r.right_id AND $live(x))""")

_VERSIONS = Facet("versions", model.Version, f"""
    SELECT s.owner::text, v.version_number, v.item_id::text, {LOCAL_INSTANT.format(x="v.version_date")},
           v.version_summary,
           $ref(v.eperson_id)
    FROM scope s JOIN versionitem me ON me.item_id = s.owner
      JOIN versionitem v ON v.versionhistory_id = me.versionhistory_id
    WHERE v.item_id IS NULL OR EXISTS (SELECT FROM item x WHERE x.uuid = v.item_id AND $live(x))""")

_DRAFTS = Facet("drafts", model.Draft, """
    SELECT s.owner::text, s.owner::text, w.collection_id::text, w.multiple_titles, w.published_before, w.multiple_files,
           w.stage_reached, w.page_reached
    FROM scope s JOIN workspaceitem w ON w.item_id = s.owner""")

_WORKFLOW = Facet("workflow", model.WorkflowItem, """
    SELECT s.owner::text, s.owner::text, w.collection_id::text, w.multiple_titles, w.published_before, w.multiple_files
    FROM scope s JOIN cwf_workflowitem w ON w.item_id = s.owner""")

_TASKS = Facet("tasks", model.WorkflowTask, """
    SELECT s.owner::text, s.owner::text, t.task, t.role, t.workflow, t.step, t.action, $ref(t.person),
           $ref(t.grp), t.finished
    FROM scope s JOIN (
      SELECT w.item_id, 'role' AS task, r.role_id AS role, NULL::text AS workflow, NULL::text AS step,
             NULL::text AS action, r.eperson_id AS person, r.group_id AS grp, NULL::bool AS finished
        FROM cwf_workflowitemrole r JOIN cwf_workflowitem w ON w.workflowitem_id = r.workflowitem_id
      UNION ALL SELECT w.item_id, 'claim', NULL, c.workflow_id, c.step_id, c.action_id, c.owner_id, NULL, NULL
        FROM cwf_claimtask c JOIN cwf_workflowitem w ON w.workflowitem_id = c.workflowitem_id
      UNION ALL SELECT w.item_id, 'pool', NULL, p.workflow_id, p.step_id, p.action_id, p.eperson_id, p.group_id, NULL
        FROM cwf_pooltask p JOIN cwf_workflowitem w ON w.workflowitem_id = p.workflowitem_id
      UNION ALL SELECT w.item_id, 'user', NULL, NULL, NULL, NULL, u.user_id, NULL, u.finished
        FROM cwf_in_progress_user u JOIN cwf_workflowitem w ON w.workflowitem_id = u.workflowitem_id
      UNION ALL SELECT o.item_id, 'supervision', NULL, NULL, NULL, NULL, NULL, o.eperson_group_id, NULL
        FROM supervision_orders o
    ) t ON t.item_id = s.owner""")

# --- registries and tombstones ------------------------------------------------------------------------------

_SCHEMAS = Facet("schemas", registry_rows.Schema, """
    SELECT s.owner::text, m.short_id, m.namespace
    FROM scope s JOIN metadataschemaregistry m ON md5('aipstream/schema/' || m.short_id)::uuid = s.owner""")

_FIELDS = Facet("fields", registry_rows.Field, """
    SELECT s.owner::text, m.short_id, f.element, nullif(f.qualifier, ''), f.scope_note
    FROM scope s JOIN metadataschemaregistry m ON md5('aipstream/schema/' || m.short_id)::uuid = s.owner
      JOIN metadatafieldregistry f ON f.metadata_schema_id = m.metadata_schema_id""")

_FORMATS = Facet("formats", registry_rows.Format, """
    SELECT s.owner::text, x.short_description, x.mimetype, x.description, x.support_level, x.internal,
           ARRAY(SELECT e.extension::text FROM fileextension e WHERE e.bitstream_format_id = x.bitstream_format_id
                 ORDER BY e.extension COLLATE "C")
    FROM scope s JOIN bitstreamformatregistry x ON s.owner = md5('aipstream/formats')::uuid
    WHERE x.short_description IS NOT NULL""")

_ENTITY_TYPES = Facet("entity_types", registry_rows.EntityType, """
    SELECT s.owner::text, t.label FROM scope s JOIN entity_type t ON s.owner = md5('aipstream/entities')::uuid""")

_RELATIONSHIP_TYPES = Facet("relationship_types", registry_rows.RelationshipType, """
    SELECT s.owner::text, lt.label, rt.label, t.leftward_type, t.rightward_type, t.left_min_cardinality,
           t.left_max_cardinality, t.right_min_cardinality, t.right_max_cardinality, t.copy_to_left, t.copy_to_right,
           t.tilted
    FROM scope s JOIN relationship_type t ON s.owner = md5('aipstream/entities')::uuid
      JOIN entity_type lt ON lt.id = t.left_type JOIN entity_type rt ON rt.id = t.right_type""")

_TOMBSTONE = Facet("tombstone", registry_rows.Tombstone, """
    SELECT s.owner::text, 'handle', h.handle, h.resource_type_id, h.resource_legacy_id, NULL::int
    FROM scope s JOIN handle h ON h.resource_id IS NULL AND md5('aipstream/handle/' || h.handle)::uuid = s.owner
    UNION ALL
    SELECT s.owner::text, 'doi', d.doi, d.resource_type_id, d.resource_id, d.status
    FROM scope s JOIN doi d ON d.dspace_object IS NULL AND md5('aipstream/doi/' || d.doi)::uuid = s.owner""")

FACETS: Final[Mapping[Kind, tuple[Facet, ...]]] = {
    Kind.REGISTRY: (_SCHEMAS, _FIELDS, _FORMATS, _ENTITY_TYPES, _RELATIONSHIP_TYPES),
    Kind.PERSON: (_PERSON, _VALUES, _POLICIES),
    Kind.GROUP: (_GROUP, _PERSONS_IN, _GROUPS_IN, _VALUES, _POLICIES),
    Kind.SITE: (_SITE, _VALUES, _POLICIES, _HANDLES._replace(digest=False), _SUBSCRIPTIONS),
    Kind.COMMUNITY: (_COMMUNITY, _COMMUNITY_PARENTS, *_FILES, *_COMMON),
    Kind.COLLECTION: (_COLLECTION, _COLLECTION_PARENTS, _TEMPLATE, _BUNDLES, _PLACED, *_FILES, _ROLES,
                      _HARVEST_SOURCE, *_COMMON),
    Kind.ITEM: (_ITEM, _ITEM_PARENTS, _BUNDLES, _PLACED, *_FILES, *_COMMON, _HARVESTED, _RELATIONS, _VERSIONS,
                _DRAFTS, _WORKFLOW, _TASKS),
    Kind.TOMBSTONE: (_TOMBSTONE,),
}

_FIELD_CTE: Final = """field(id, name) AS MATERIALIZED (
    SELECT f.metadata_field_id, concat(s.short_id, '.', f.element, '.' || nullif(f.qualifier, ''))
    FROM metadatafieldregistry f JOIN metadataschemaregistry s ON s.metadata_schema_id = f.metadata_schema_id)"""

SINGLE: Final = {"person", "group", "site", "community", "collection", "tombstone"}
"""Facets of which an `Aip` holds one row, not a list."""

_MACRO: Final = re.compile(r"\$(ref|live|among|secret)\(([^()]*)\)")


def expand(sql: str, options: Options, *, some: bool) -> str:
    """The SQL with its macros replaced. `some`: restricted to the UUIDs bound as `%(uuids)s`."""

    def macro(match: re.Match[str]) -> str:
        name, x = match.groups()
        if name == "ref":
            if not options.aliased:
                return f"{x}::text"
            return f"coalesce((SELECT _a.source FROM aipstream.alias _a WHERE _a.target = {x}), {x})::text"
        if name == "live":
            return (LIVE_OR_DRAFT if options.drafts else LIVE).format(x=x)
        if name == "among":
            return f"{x} = ANY (%(uuids)s::uuid[])" if some else "true"
        return x if options.passwords else "NULL::text"

    security = "m.security_level" if options.security else "NULL::int"
    return _MACRO.sub(macro, sql).replace("$security", security)


def columns(facet: Facet) -> tuple[str, ...]:
    """The names of the columns of a facet after `owner`: the fields of its row class."""
    return tuple(field.name for field in msgspec.structs.fields(facet.row))


def query(kind: Kind, body: str, options: Options, *, some: bool) -> str:
    """A whole statement around `body`, which may use the CTEs of this module."""
    with_part = re.search(r"\bpart\b", body) is not None
    with_field = re.search(r"\bfield f\b", body) is not None
    ctes = [f"scope(owner) AS MATERIALIZED ({OBJECTS[kind]})"]
    ctes += [f"part(owner, subject, name) AS MATERIALIZED ({PARTS[kind]})"] if with_part else []
    ctes += [_FIELD_CTE] if with_field else []
    return expand(f"WITH {', '.join(ctes)}\n{body}", options, some=some)
