"""Edits of identifiers (handles, DOIs, harvest records) and of the registries."""

from __future__ import annotations

from daemon.sample.edits.core import ARCHIVED, LIVE, Desk, NothingToEdit, edit
from daemon.sample.texts import words
from daemon.sample.vocabulary import ITEM


@edit(2)
def add_handle(desk: Desk) -> str:
    """One more handle for an item, of another prefix; no stamp moves."""
    item = desk.pick(LIVE)
    handle = f"10568/{desk.random.getrandbits(48)}"
    desk.repository.handle(item, ITEM, handle)
    desk.repository.flush()
    return f"item {item} has the handle {handle} too, unstamped"


@edit(1)
def release_handle(desk: Desk) -> str:
    """A handle that is not an item's first becomes a tombstone."""
    (key,) = desk.row(
        "select h.handle_id from handle h where h.resource_type_id = 2 and exists (select from handle o "
        "where o.resource_id = h.resource_id and o.handle_id < h.handle_id) order by 1"
    )
    desk.run("update handle set resource_id = null where handle_id = %s", key)
    return f"handle row {key} belongs to nothing any more"


@edit(1)
def rebind_handle(desk: Desk) -> str:
    """A tombstone is bound to another item."""
    (key,) = desk.row(
        "select handle_id from handle where resource_id is null and resource_type_id = 2 "
        "and handle not in (select handle from handle where resource_id is not null) order by 1"
    )
    handle = desk.value("select handle from handle where handle_id = %s", key)
    if any(handle == deleted for _, deleted, _ in desk.deleted):
        raise NothingToEdit
    item = desk.pick(LIVE)
    desk.run("update handle set resource_id = %s where handle_id = %s", item, key)
    return f"handle {handle} is bound to item {item}"


@edit(2)
def mint_doi(desk: Desk) -> str:
    """A DOI that is to be registered."""
    item = desk.pick(ARCHIVED)
    doi = f"doi:10.5072/minted-{desk.random.getrandbits(40):010x}"
    desk.repository.rows.add("doi", doi, ITEM, item, 1, None)
    desk.repository.flush()
    return f"item {item} has the DOI {doi}"


@edit(2)
def change_doi_status(desk: Desk) -> str:
    """A DOI is registered: the link goes into the metadata, which stamps the item."""
    key, doi, item = desk.row(f"select doi_id, doi, dspace_object from doi where dspace_object in ({LIVE}) order by 1")
    desk.run("update doi set status = %s where doi_id = %s", desk.random.choice((3, 4, 6)), key)
    desk.set_value(item, "dc.identifier.doi", "https://doi.org/" + doi.removeprefix("doi:"))
    desk.touch(item)
    return f"{doi} has another status"


@edit(1)
def record_harvest(desk: Desk) -> str:
    """An item is known by another repository's record."""
    item = desk.pick(f"select uuid from ({LIVE}) l where uuid not in (select item_id from harvested_item)")
    desk.repository.rows.add("harvested_item", item, f"oai:example.org:{desk.random.getrandbits(32)}", str(desk.now()))
    desk.repository.flush()
    return f"item {item} is harvested"


@edit(1)
def update_harvest_record(desk: Desk) -> str:
    """An item is harvested again."""
    (key,) = desk.row("select id from harvested_item order by 1")
    desk.run("update harvested_item set last_harvested = %s where id = %s", desk.now(), key)
    return f"harvested item {key} is harvested again"


@edit(1)
def create_field(desk: Desk) -> str:
    """A field of a schema that is there, used at once."""
    item, name = desk.pick(LIVE), f"local.made{desk.random.getrandbits(32):08x}"
    desk.add_value(item, name, "the first value of its field")
    desk.touch(item)
    return f"field {name} is created"


@edit(1)
def create_schema(desk: Desk) -> str:
    """A schema with a qualified field, used at once."""
    item, name = desk.pick(LIVE), f"s{desk.random.getrandbits(24):06x}.element.qualifier"
    desk.add_value(item, name, "the first value of its schema")
    desk.touch(item)
    return f"the schema of {name} is created"


@edit(1)
def edit_scope_note(desk: Desk) -> str:
    """A field is explained otherwise."""
    key = desk.repository.registries.field("dc.subject")
    desk.run(
        "update metadatafieldregistry set scope_note = %s where metadata_field_id = %s", words(desk.random, 9), key
    )
    return "dc.subject has another scope note"


@edit(1)
def create_format(desk: Desk) -> str:
    """A format with an extension; nothing is of it yet."""
    name = f"Format {desk.random.getrandbits(32):08x}"
    desk.repository.registries.format(name)
    return f"the format {name} is created"


@edit(1)
def edit_format(desk: Desk) -> str:
    """A format that the sample made has another description, support level and extension."""
    (key,) = desk.row(
        "select bitstream_format_id from bitstreamformatregistry where short_description ~ '^(Format|GL) ' order by 1"
    )
    desk.run(
        "update bitstreamformatregistry set description = %s, support_level = 1 where bitstream_format_id = %s",
        words(desk.random, 5),
        key,
    )
    desk.run(
        "insert into fileextension (file_extension_id, bitstream_format_id, extension) "
        "values (nextval('fileextension_seq'), %s, %s)",
        key,
        f"x{desk.random.getrandbits(32):08x}",
    )
    return f"format {key} is edited"


@edit(1)
def create_entity_type(desk: Desk) -> str:
    """An entity type with a relationship type of its own."""
    label = f"Kind{desk.random.getrandbits(32):08x}"
    key = desk.repository.registries.entity_type(label)
    desk.run(
        "insert into relationship_type (id, left_type, right_type, leftward_type, rightward_type, "
        "left_min_cardinality, right_max_cardinality) values (nextval('relationship_type_id_seq'), %s, %s, "
        "'isPartOf', 'hasPart', 0, 7)",
        key,
        key,
    )
    return f"the entity type {label} is created"
