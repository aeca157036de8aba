"""What the comparator compares: every content table of DSpace with its natural keys, as plain SQL.

Invariant: stands alone; it shares no definition with the code under test.
"""

from __future__ import annotations

from dataclasses import dataclass

PERMANENT = ("Anonymous", "Administrator")

DRAFTS = "select item_id from workspaceitem union select item_id from cwf_workflowitem"

ITEMS = f"""
    select uuid from item where uuid in (select template_item_id from collection)
        or ((in_archive or withdrawn or uuid in (select item_id from versionitem where item_id is not null))
            and uuid not in (select item_id from ({DRAFTS}) d where item_id is not null))
"""

SCOPE = """
    with items as ({items}),
    bundles as (select bundle_id as uuid from item2bundle where item_id in (table items))
    select uuid, 'site' from site union select uuid, 'community' from community
    union select uuid, 'collection' from collection union select uuid, 'group' from epersongroup
    union select uuid, 'person' from eperson union select uuid, 'item' from items
    union select uuid, 'bundle' from bundles
    union select uuid, 'bitstream' from bitstream where not deleted and (
        uuid in (select bitstream_id from bundle2bitstream where bundle_id in (select uuid from bundles))
        or uuid in (select logo_bitstream_id from community) or uuid in (select logo_bitstream_id from collection))
"""


@dataclass(frozen=True)
class Table:
    """One comparison: `columns` of `sql` in order. `scope` columns must be content, `refs` besides them are objects."""

    sql: str
    columns: str
    scope: str = ""
    refs: str = ""
    nullable: bool = False
    """A NULL in a scope column is kept (a tombstone)."""


TABLES = {
    "eperson": Table(
        "select uuid, eperson_id, email, netid, can_log_in, require_certificate, self_registered, "
        "sub_frequency{passwords} from eperson",
        "uuid legacy_id email netid can_log_in require_certificate self_registered sub_frequency "
        "password salt digest_algorithm",
        "uuid",
    ),
    "epersongroup": Table(
        "select uuid, eperson_group_id, name, permanent from epersongroup", "uuid legacy_id name permanent", "uuid"
    ),
    "epersongroup2eperson": Table(
        "select eperson_group_id, eperson_id from epersongroup2eperson", "group person", "group person"
    ),
    "group2group": Table("select parent_id, child_id from group2group", "parent child", "parent child"),
    "community": Table(
        "select uuid, community_id, admin, logo_bitstream_id from community",
        "uuid legacy_id admin logo",
        "uuid",
        "admin logo",
    ),
    "collection": Table(
        "select uuid, collection_id, submitter, admin, template_item_id, logo_bitstream_id from collection",
        "uuid legacy_id submitter admin template logo",
        "uuid",
        "submitter admin template logo",
    ),
    "community2community": Table(
        "select parent_comm_id, child_comm_id from community2community", "parent child", "parent child"
    ),
    "community2collection": Table(
        "select community_id, collection_id from community2collection", "community collection", "community collection"
    ),
    "item": Table(
        "select uuid, item_id, in_archive, withdrawn, discoverable, last_modified, submitter_id, "
        "owning_collection from item",
        "uuid legacy_id in_archive withdrawn discoverable last_modified submitter owning_collection",
        "uuid",
        "submitter owning_collection",
    ),
    "collection2item": Table(
        "select collection_id, item_id from collection2item", "collection item", "collection item"
    ),
    "bundle": Table(
        "select uuid, bundle_id, primary_bitstream_id from bundle", "uuid legacy_id primary", "uuid", "primary"
    ),
    "item2bundle": Table("select item_id, bundle_id from item2bundle", "item bundle", "item bundle"),
    "bundle2bitstream": Table(
        "select bundle_id, bitstream_id, bitstream_order, bitstream_order_legacy from bundle2bitstream",
        "bundle bitstream order order_legacy",
        "bundle bitstream",
    ),
    "bitstream": Table(
        "select b.uuid, b.bitstream_id, f.short_description, b.checksum, b.checksum_algorithm, "
        "b.deleted, b.sequence_id, b.size_bytes from bitstream b "
        "left join bitstreamformatregistry f using (bitstream_format_id)",
        "uuid legacy_id format checksum checksum_algorithm deleted sequence_id size",
        "uuid",
    ),
    "metadatavalue": Table(
        "select v.dspace_object_id, concat_ws('.', s.short_id, f.element, f.qualifier), v.place, "
        "v.text_value, v.text_lang, v.authority, v.confidence{security} from metadatavalue v "
        "join metadatafieldregistry f using (metadata_field_id) "
        "join metadataschemaregistry s using (metadata_schema_id)",
        "subject field place text lang authority confidence security_level",
        "subject",
    ),
    "resourcepolicy": Table(
        "select dspace_object, action_id, resource_type_id, epersongroup_id, eperson_id, "
        "start_date, end_date, rpname, rptype, rpdescription from resourcepolicy "
        "where dspace_object is not null",
        "subject action type group person start end name rptype description",
        "subject",
        "group person",
    ),
    "handle": Table(
        "select resource_id, handle, resource_type_id, resource_legacy_id, case when resource_id is not "
        "null then row_number() over (partition by resource_id order by handle_id) end from handle "
        "where resource_type_id is distinct from 5",
        "subject handle type legacy_id rank",
        "subject",
        nullable=True,
    ),
    "doi": Table(
        "select dspace_object, doi, resource_type_id, status, resource_id from doi",
        "subject doi type status legacy_id",
        "subject",
        nullable=True,
    ),
    "relationship": Table(
        "select r.left_id, l.label, t.leftward_type, t.rightward_type, e.label, r.right_id, "
        "r.left_place, r.right_place, r.leftward_value, r.rightward_value, r.latest_version_status "
        "from relationship r join relationship_type t on t.id = r.type_id "
        "join entity_type l on l.id = t.left_type join entity_type e on e.id = t.right_type",
        "left left_type leftward rightward right_type right left_place right_place leftward_value "
        "rightward_value latest_version_status",
        "left right",
    ),
    "harvested_collection": Table(
        "select collection_id, harvest_type, oai_source, oai_set_id, metadata_config_id, "
        "last_harvested from harvested_collection",
        "collection type source set config last_harvested",
        "collection",
    ),
    "harvested_item": Table(
        "select item_id, oai_id, last_harvested from harvested_item", "item oai_id last_harvested", "item"
    ),
    "subscription": Table(
        "select s.dspace_object_id, s.eperson_id, s.type, array_to_string(array(select p.name || '=' "
        "|| p.value from subscription_parameter p where p.subscription_id = s.subscription_id "
        "order by 1), ' ') from subscription s",
        "subject person type parameters",
        "subject",
        "person",
    ),
    "cwf_collectionrole": Table(
        "select collection_id, role_id, group_id from cwf_collectionrole",
        "collection role group",
        "collection",
        "group",
    ),
}

DRAFT_TABLES = {
    "workspaceitem": Table(
        "select item_id, collection_id, multiple_titles, published_before, multiple_files, "
        "stage_reached, page_reached from workspaceitem",
        "item collection multiple_titles published_before multiple_files stage page",
        "item",
        "collection",
    ),
    "cwf_workflowitem": Table(
        "select item_id, collection_id, multiple_titles, published_before, multiple_files from cwf_workflowitem",
        "item collection multiple_titles published_before multiple_files",
        "item",
        "collection",
    ),
    "cwf_workflowitemrole": Table(
        "select w.item_id, r.role_id, r.group_id, r.eperson_id from cwf_workflowitemrole r "
        "join cwf_workflowitem w using (workflowitem_id)",
        "item role group person",
        "item",
        "group person",
    ),
    "cwf_claimtask": Table(
        "select w.item_id, workflow_id, step_id, action_id, owner_id from cwf_claimtask "
        "join cwf_workflowitem w using (workflowitem_id)",
        "item workflow step action owner",
        "item",
        "owner",
    ),
    "cwf_pooltask": Table(
        "select w.item_id, workflow_id, step_id, action_id, group_id, eperson_id from cwf_pooltask "
        "join cwf_workflowitem w using (workflowitem_id)",
        "item workflow step action group person",
        "item",
        "group person",
    ),
    "cwf_in_progress_user": Table(
        "select w.item_id, user_id, finished from cwf_in_progress_user join cwf_workflowitem w using (workflowitem_id)",
        "item person finished",
        "item",
        "person",
    ),
    "supervision_orders": Table(
        "select item_id, eperson_group_id from supervision_orders", "item group", "item", "group"
    ),
}

REGISTRIES = {
    "metadataschemaregistry": Table("select short_id, namespace from metadataschemaregistry", "name namespace"),
    "metadatafieldregistry": Table(
        "select s.short_id, f.element, f.qualifier, f.scope_note from metadatafieldregistry "
        "f join metadataschemaregistry s using (metadata_schema_id)",
        "schema element qualifier scope_note",
    ),
    "bitstreamformatregistry": Table(
        "select short_description, mimetype, description, support_level, internal from bitstreamformatregistry",
        "short_description mimetype description support_level internal",
    ),
    "fileextension": Table(
        "select short_description, extension from fileextension join bitstreamformatregistry "
        "using (bitstream_format_id)",
        "format extension",
    ),
    "entity_type": Table("select label from entity_type", "label"),
    "relationship_type": Table(
        "select l.label, r.label, leftward_type, rightward_type, left_min_cardinality, "
        "left_max_cardinality, right_min_cardinality, right_max_cardinality, copy_to_left, "
        "copy_to_right, tilted from relationship_type t "
        "join entity_type l on l.id = t.left_type "
        "join entity_type r on r.id = t.right_type",
        "left right leftward rightward left_min left_max right_min right_max copy_to_left copy_to_right tilted",
    ),
}
