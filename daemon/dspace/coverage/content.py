"""The columns of the content tables: which fields of the model carry each, or how the target makes its own."""

from __future__ import annotations

from typing import Final

from daemon.dspace.coverage.entry import Entry, content, derived, operational
from events.aip.model import Kind

REGISTRY = (Kind.REGISTRY,)
PERSON = (Kind.PERSON,)
GROUP = (Kind.GROUP,)
SITE = (Kind.SITE,)
COMMUNITY = (Kind.COMMUNITY,)
COLLECTION = (Kind.COLLECTION,)
ITEM = (Kind.ITEM,)
WITH_ITEM = (Kind.ITEM, Kind.COLLECTION)
"""An item, or the template item of a collection."""
WITH_FILES = (Kind.ITEM, Kind.COLLECTION, Kind.COMMUNITY)
"""An item's or template's files, or a logo."""
ANY = (Kind.PERSON, Kind.GROUP, Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM)
NAMED = (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM, Kind.TOMBSTONE)
WATCHED = (Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM)

KEY: Final = "a number of the target's own sequence; nothing outside this database knows it"
TYPE: Final = "the constant of the object's type, from the table that holds its UUID"
DRAFTS: Final = "source.drafts"
PASSWORDS: Final = "people.passwords"

# fmt: off
CONTENT: Final[tuple[Entry, ...]] = (
    # objects
    *derived("dspaceobject", "one row for each object and each part of one", "uuid"),
    *content("site", SITE, "SiteRow", "uuid"),
    *content("community", COMMUNITY, "CommunityRow", "community_id:legacy_id uuid admin logo_bitstream_id:logo"),
    *content("collection", COLLECTION, "CollectionRow", "collection_id:legacy_id uuid submitter:submitters admin "
             "template_item_id:template logo_bitstream_id:logo"),
    *content("item", WITH_ITEM, "ItemRow", "item_id:legacy_id in_archive withdrawn last_modified discoverable uuid "
             "submitter_id:submitter owning_collection"),
    *content("bundle", WITH_ITEM, "BundleRow", "bundle_id:legacy_id uuid primary_bitstream_id:primary"),
    *content("bitstream", WITH_FILES, "BitstreamRow", "bitstream_id:legacy_id bitstream_format_id:format checksum "
             "checksum_algorithm internal_id:Stored.internal_id store_number:Stored.store_number sequence_id "
             "size_bytes:size uuid"),
    *derived("bitstream", "false: a deleted bitstream is no content, and one that was deleted is marked so", "deleted"),
    *content("eperson", PERSON, "PersonRow", "eperson_id:legacy_id email can_log_in require_certificate "
             "self_registered sub_frequency netid uuid"),
    *content("eperson", PERSON, "PersonRow", "password salt digest_algorithm", option=PASSWORDS),
    *operational("eperson", "the last login to this installation", "last_active"),
    *operational("eperson", "the secret of the sessions of this installation", "session_salt"),
    *content("epersongroup", GROUP, "GroupRow", "eperson_group_id:legacy_id uuid permanent name"),
    # structure
    *content("community2community", COMMUNITY, "Member", "parent_comm_id:other child_comm_id:subject"),
    *content("community2collection", COLLECTION, "Member", "collection_id:subject community_id:other"),
    *content("collection2item", ITEM, "Member", "collection_id:other item_id:subject"),
    *content("item2bundle", WITH_ITEM, "BundleRow", "bundle_id:uuid item_id:subject"),
    *content("bundle2bitstream", WITH_ITEM, "Placed", "bitstream_order_legacy:order_legacy bundle_id:bundle "
             "bitstream_id:bitstream bitstream_order:order"),
    *content("epersongroup2eperson", GROUP, "Member", "eperson_group_id:subject eperson_id:other"),
    *content("group2group", GROUP, "Member", "parent_id:subject child_id:other"),
    *derived("group2groupcache", "the transitive closure of group2group", "parent_id child_id"),
    # metadata
    *derived("metadataschemaregistry", KEY, "metadata_schema_id"),
    *content("metadataschemaregistry", REGISTRY, "Schema", "namespace short_id:name"),
    *derived("metadatafieldregistry", KEY, "metadata_field_id"),
    *content("metadatafieldregistry", REGISTRY, "Field", "metadata_schema_id:schema element qualifier scope_note"),
    *derived("metadatavalue", KEY, "metadata_value_id"),
    *content("metadatavalue", ANY, "Value", "metadata_field_id:field text_value:text text_lang:lang place authority "
             "confidence dspace_object_id:subject"),
    *content("metadatavalue", ANY, "Value", "security_level:security", since=10),
    # identifiers
    *derived("handle", f"{KEY}; the order of an object's handles travels as HandleRow.rank", "handle_id"),
    *content("handle", NAMED, "HandleRow", "handle:HandleRow.handle,Tombstone.identifier resource_id:subject "
             "resource_legacy_id:HandleRow.legacy_id,Tombstone.legacy_id"),
    *derived("handle", f"{TYPE}; a tombstone carries it as Tombstone.type", "resource_type_id"),
    *derived("doi", KEY, "doi_id"),
    *content("doi", NAMED, "Doi", "doi:Doi.doi,Tombstone.identifier resource_id:Doi.legacy_id,Tombstone.legacy_id "
             "status:Doi.status,Tombstone.status dspace_object:subject"),
    *derived("doi", f"{TYPE}; a tombstone carries it as Tombstone.type", "resource_type_id"),
    # authorization
    *derived("resourcepolicy", KEY, "policy_id"),
    *derived("resourcepolicy", TYPE, "resource_type_id"),
    *content("resourcepolicy", ANY, "Policy", "action_id:action start_date:start end_date:end rpname:name rptype:type "
             "rpdescription:description eperson_id:person epersongroup_id:group dspace_object:subject"),
    *derived("resourcepolicy", "empty: DSpace 5 and older named the object by it, dspace_object does so now",
             "resource_id"),
    # formats
    *derived("bitstreamformatregistry", KEY, "bitstream_format_id"),
    *content("bitstreamformatregistry", REGISTRY, "Format", "mimetype short_description description "
             "support_level:support internal"),
    *derived("fileextension", KEY, "file_extension_id"),
    *content("fileextension", REGISTRY, "Format", "bitstream_format_id:short_description extension:extensions"),
    # entities
    *derived("entity_type", KEY, "id"),
    *content("entity_type", REGISTRY, "EntityType", "label"),
    *derived("relationship_type", KEY, "id"),
    *content("relationship_type", REGISTRY, "RelationshipType", "left_type right_type leftward_type:leftward "
             "rightward_type:rightward left_min_cardinality:left_min left_max_cardinality:left_max "
             "right_min_cardinality:right_min right_max_cardinality:right_max copy_to_left copy_to_right tilted"),
    *derived("relationship", KEY, "id"),
    *content("relationship", ITEM, "Relation", "left_id:left type_id:left_type,leftward,rightward,right_type "
             "right_id:right left_place right_place leftward_value rightward_value latest_version_status"),
    # versioning
    *derived("versionhistory", f"{KEY}; the history is the versions that travel together", "versionhistory_id"),
    *derived("versionitem", KEY, "versionitem_id"),
    *derived("versionitem", "the history of the versions that travel together", "versionhistory_id"),
    *content("versionitem", ITEM, "Version", "version_number:number version_date:date version_summary:summary "
             "eperson_id:person item_id:item"),
    # harvesting
    *derived("harvested_collection", KEY, "id"),
    *content("harvested_collection", COLLECTION, "HarvestSource", "harvest_type:type oai_source oai_set_id:oai_set "
             "metadata_config_id:metadata_config last_harvested collection_id:subject"),
    *operational("harvested_collection", "how the harvester of this installation is doing at this moment",
                 "harvest_status harvest_message harvest_start_time"),
    *derived("harvested_item", KEY, "id"),
    *content("harvested_item", ITEM, "HarvestedItem", "last_harvested oai_id item_id:subject"),
    # submission
    *derived("workspaceitem", KEY, "workspace_item_id"),
    *content("workspaceitem", ITEM, "Draft", "multiple_titles published_before multiple_files stage_reached "
             "page_reached item_id:subject collection_id:collection", option=DRAFTS),
    *derived("cwf_workflowitem", KEY, "workflowitem_id"),
    *content("cwf_workflowitem", ITEM, "WorkflowItem", "multiple_titles published_before multiple_files "
             "item_id:subject collection_id:collection", option=DRAFTS),
    *derived("cwf_collectionrole", KEY, "collectionrole_id"),
    *content("cwf_collectionrole", COLLECTION, "Role", "role_id:role collection_id:subject group_id:group"),
    *derived("cwf_workflowitemrole", KEY, "workflowitemrole_id"),
    *content("cwf_workflowitemrole", ITEM, "WorkflowTask", "role_id:role workflowitem_id:subject group_id:group "
             "eperson_id:person", option=DRAFTS),
    *derived("cwf_claimtask", KEY, "claimtask_id"),
    *content("cwf_claimtask", ITEM, "WorkflowTask", "workflowitem_id:subject workflow_id:workflow step_id:step "
             "action_id:action owner_id:person", option=DRAFTS),
    *derived("cwf_pooltask", KEY, "pooltask_id"),
    *content("cwf_pooltask", ITEM, "WorkflowTask", "workflowitem_id:subject workflow_id:workflow step_id:step "
             "action_id:action group_id:group eperson_id:person", option=DRAFTS),
    *derived("cwf_in_progress_user", KEY, "in_progress_user_id"),
    *content("cwf_in_progress_user", ITEM, "WorkflowTask", "workflowitem_id:subject finished user_id:person",
             option=DRAFTS),
    *derived("supervision_orders", KEY, "id"),
    *content("supervision_orders", ITEM, "WorkflowTask", "item_id:subject eperson_group_id:group", option=DRAFTS),
    # subscriptions
    *derived("subscription", KEY, "subscription_id"),
    *content("subscription", WATCHED, "Subscription", "eperson_id:person dspace_object_id:subject type"),
    *derived("subscription_parameter", KEY, "subscription_parameter_id"),
    *content("subscription_parameter", WATCHED, "Subscription", "name:parameters value:parameters "
             "subscription_id:parameters"),
)
