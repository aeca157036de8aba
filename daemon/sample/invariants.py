"""What must hold in any DSpace database that its API, or a direct write that keeps to the rules, has left.

Invariant: each rule is one query that returns the rows which break it; an empty answer is health. The rules are those
of the reference's section 6.3; odd but legal content (gaps in places, no policies, empty bundles) breaks none.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from psycopg2.extensions import connection as Connection  # noqa: N812 - the class has a lower-case name there

from daemon.sample.cache import CLOSURE
from daemon.sample.files import Assetstore
from daemon.sample.rows import SEQUENCES

CHILD_TABLES: Final = ("bitstream", "bundle", "item", "collection", "community", "site", "epersongroup", "eperson")
"""The tables of the kinds of objects, each at the index that is its constant in `resource_type_id`."""

TYPED: Final = "\nunion all\n".join(
    f"select uuid, {kind} as kind from {table}" for kind, table in enumerate(CHILD_TABLES)
)

_NEVER_NULL: Final = {
    "item": ("in_archive", "withdrawn", "discoverable"),
    "bitstream": ("deleted", "store_number", "size_bytes"),
    "eperson": ("require_certificate", "self_registered"),
    "metadatavalue": ("place", "confidence", "metadata_field_id"),
    "resourcepolicy": ("resource_type_id", "action_id"),
    "bitstreamformatregistry": ("support_level", "internal"),
    "versionitem": ("version_number",),
    "relationship": ("left_place", "right_place"),
    "harvested_collection": ("harvest_type", "harvest_status"),
    "workspaceitem": ("multiple_titles", "published_before", "multiple_files"),
    "bundle2bitstream": ("bitstream_order",),
}

_LATEST: Final = """
    with newest as (
        select distinct on (v.versionhistory_id) v.versionhistory_id, v.item_id
        from versionitem v where v.item_id is not null
            and not exists (select from workspaceitem w where w.item_id = v.item_id)
            and not exists (select from cwf_workflowitem w where w.item_id = v.item_id)
        order by v.versionhistory_id, v.version_number desc
    ), superseded as (
        select v.item_id from versionitem v join newest n using (versionhistory_id)
        where v.item_id <> n.item_id
            and not exists (select from workspaceitem w where w.item_id = v.item_id)
            and not exists (select from cwf_workflowitem w where w.item_id = v.item_id)
    )
"""

RULES: Final[dict[str, str]] = {
    "an object has exactly one type": f"""
        select o.uuid from dspaceobject o left join ({TYPED}) t using (uuid) group by 1 having count(t.kind) <> 1""",
    "there is one site": "select count(*) from site having count(*) <> 1",
    "the type in a policy is its object's": f"""
        select p.policy_id from resourcepolicy p join ({TYPED}) t on t.uuid = p.dspace_object
        where p.resource_type_id <> t.kind""",
    "the type in a handle is its object's": f"""
        select h.handle from handle h join ({TYPED}) t on t.uuid = h.resource_id
        where h.resource_type_id is distinct from t.kind""",
    "the type in a DOI is its object's": f"""
        select d.doi from doi d join ({TYPED}) t on t.uuid = d.dspace_object
        where d.resource_type_id is distinct from t.kind""",
    "an owning collection holds its item": """
        select i.uuid from item i where i.owning_collection is not null and not exists (
            select from collection2item c where c.item_id = i.uuid and c.collection_id = i.owning_collection)""",
    "what is archived or withdrawn has an owning collection": """
        select uuid from item where (in_archive or withdrawn) and owning_collection is null""",
    "bitstreams are numbered from 0 without gaps": """
        select bundle_id from bundle2bitstream group by 1
        having min(bitstream_order) <> 0 or max(bitstream_order) <> count(*) - 1
            or count(distinct bitstream_order) <> count(*)""",
    "a primary bitstream is in its bundle": """
        select b.uuid from bundle b where b.primary_bitstream_id is not null and not exists (
            select from bundle2bitstream p join bitstream f on f.uuid = p.bitstream_id and not f.deleted
            where p.bundle_id = b.uuid and p.bitstream_id = b.primary_bitstream_id)""",
    "a bundle is in one item": """
        select b.uuid from bundle b left join item2bundle l on l.bundle_id = b.uuid group by 1 having count(l) <> 1""",
    "a deleted bitstream is in no bundle, no logo and has no policies": """
        select uuid from bitstream b where deleted and (
            exists (select from bundle2bitstream where bitstream_id = b.uuid)
            or exists (select from resourcepolicy where dspace_object = b.uuid)
            or exists (select from community where logo_bitstream_id = b.uuid)
            or exists (select from collection where logo_bitstream_id = b.uuid)
            or exists (select from requestitem where bitstream_id = b.uuid))""",
    "a bitstream is somewhere": """
        select uuid from bitstream b where not deleted
            and not exists (select from bundle2bitstream where bitstream_id = b.uuid)
            and not exists (select from community where logo_bitstream_id = b.uuid)
            and not exists (select from collection where logo_bitstream_id = b.uuid)
            and not exists (select from process2bitstream where bitstream_id = b.uuid)""",
    "sequence ids are unique in an item": """
        select l.item_id, b.sequence_id from item2bundle l join bundle2bitstream p using (bundle_id)
        join bitstream b on b.uuid = p.bitstream_id
        group by 1, 2 having count(distinct b.uuid) > 1""",
    "the group cache is the closure": f"""
        (({CLOSURE}) except table group2groupcache) union all ((table group2groupcache) except ({CLOSURE}))""",
    "groups are not nested in a circle": f"select * from ({CLOSURE}) c where parent_id = child_id",
    "a collection says who may read": """
        select c.uuid, a.action from collection c cross join (values (0), (9), (10)) a (action)
        where not exists (select from resourcepolicy where dspace_object = c.uuid and action_id = a.action)""",
    "only two groups are permanent": """
        select name from epersongroup where permanent is distinct from (name in ('Anonymous', 'Administrator'))
            and name is not null""",
    "withdrawn is not archived": "select uuid from item where in_archive and withdrawn",
    "a withdrawn item cannot be read": """
        select i.uuid from item i left join item2bundle l on l.item_id = i.uuid
        left join bundle2bitstream p using (bundle_id)
        join resourcepolicy r on r.dspace_object in (i.uuid, l.bundle_id, p.bitstream_id)
        where i.withdrawn and r.action_id = 0""",
    "only the newest version is archived": f"""
        {_LATEST} select s.item_id from superseded s join item i on i.uuid = s.item_id where i.in_archive""",
    "the newest version is archived or withdrawn": f"""
        {_LATEST} select n.item_id from newest n join item i on i.uuid = n.item_id
        where not (i.in_archive or i.withdrawn)""",
    "a relationship knows which ends are the latest": f"""
        {_LATEST} select r.id from relationship r
        left join superseded lost_left on lost_left.item_id = r.left_id
        left join superseded lost_right on lost_right.item_id = r.right_id
        where (lost_left.item_id is null or lost_right.item_id is null) and r.latest_version_status <>
            case when lost_left.item_id is not null then 2 when lost_right.item_id is not null then 1 else 0 end""",
    "an item is in one version history": """
        select item_id from versionitem where item_id is not null group by 1 having count(*) > 1""",
    "an entity type exists": """
        select v.text_value from metadatavalue v join metadatafieldregistry f using (metadata_field_id)
        join metadataschemaregistry s using (metadata_schema_id)
        where s.short_id = 'dspace' and f.element = 'entity' and f.qualifier = 'type'
            and v.text_value not in (select label from entity_type)""",
    "an unqualified field has no qualifier": "select metadata_field_id from metadatafieldregistry where qualifier = ''",
    "a community has at most one parent": """
        select child_comm_id from community2community group by 1 having count(*) > 1""",
    "a collection has a parent": """
        select uuid from collection where uuid not in (select collection_id from community2collection)""",
    "an item is one draft at most": "select item_id from workspaceitem group by 1 having count(*) > 1",
    "a draft is neither archived nor withdrawn": """
        select uuid from item where (in_archive or withdrawn) and (uuid in (select item_id from workspaceitem)
            or uuid in (select item_id from cwf_workflowitem))""",
    "an e-mail address is in lower case": "select email from eperson where email <> lower(email)",
    "a template item exists and is only that": """
        select c.uuid from collection c left join item i on i.uuid = c.template_item_id
        where c.template_item_id is not null and (i.uuid is null or i.in_archive or i.withdrawn
            or i.owning_collection is not null)""",
    "a logo exists": """
        select c.uuid from collection c left join bitstream b on b.uuid = c.logo_bitstream_id and not b.deleted
        where c.logo_bitstream_id is not null and b.uuid is null""",
    **{
        f"{table}.{column} is never NULL": f"select {column} from {table} where {column} is null"
        for table, columns in _NEVER_NULL.items()
        for column in columns
    },
}

_KEYS: Final = {
    "handle": "handle_id",
    "metadatavalue": "metadata_value_id",
    "resourcepolicy": "policy_id",
    "relationship": "id",
    "versionitem": "versionitem_id",
}


def check_invariants(connection: Connection, assetstore: Path | None = None) -> list[str]:
    """What is wrong, one line per rule that is broken, with a few of the rows; with a store, missing files as well."""
    found = []
    with connection.cursor() as cursor:
        for rule, sql in RULES.items():
            cursor.execute(sql)
            rows = cursor.fetchall()
            if rows:
                found.append(f"{rule}: {len(rows)} not so, such as {rows[:3]}")
        for table, key in _KEYS.items():
            cursor.execute(f"select max({key}), (select last_value from {SEQUENCES[table]}) from {table}")
            highest, last = cursor.fetchone() or (None, 0)
            if highest is not None and highest > last:
                found.append(f"{SEQUENCES[table]} is past every key: {highest} is used, the sequence is at {last}")
        if assetstore:
            store = Assetstore(assetstore, Random())  # noqa: S311 - draws nothing
            cursor.execute("select uuid, internal_id, size_bytes from bitstream where not deleted")
            for uuid, internal_id, size in cursor.fetchall():
                path = store.path(internal_id)
                if not path.is_file() or path.stat().st_size != size:
                    found.append(f"a bitstream has its file: {uuid} has none of {size} bytes at {internal_id}")
    return found
