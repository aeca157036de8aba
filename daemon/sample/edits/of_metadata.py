"""Edits of metadata values: of items (most move `last_modified`, some do not) and of what is in them."""

from __future__ import annotations

from daemon.sample.edits.core import FILES, LIVE, Desk, NothingToEdit, edit
from daemon.sample.texts import MULTILINGUAL, ODD, abstract, author, words


@edit(12)
def replace_title(desk: Desk) -> str:
    """A single value is set anew: the row goes and one with another id comes."""
    item = desk.pick(LIVE)
    lang, text = desk.random.choice(MULTILINGUAL)
    desk.set_value(item, "dc.title", f"{text} {desk.random.randrange(1000)}", lang)
    desk.touch(item)
    return f"the title of item {item} is replaced"


@edit(8)
def change_value(desk: Desk) -> str:
    """A value (not the type of an entity, which has a vocabulary) is changed in its row, which keeps its id."""
    item = desk.pick(LIVE)
    (key,) = desk.row(
        "select metadata_value_id from metadatavalue where dspace_object_id = %s and metadata_field_id <> %s "
        "order by 1",
        item,
        desk.repository.registries.field("dspace.entity.type"),
    )
    desk.run(
        "update metadatavalue set text_value = %s, text_lang = %s where metadata_value_id = %s",
        words(desk.random, 4),
        desk.random.choice(("en", "", None, "*")),
        key,
    )
    desk.touch(item)
    return f"a value of item {item} is changed in place"


@edit(10)
def add_values(desk: Desk) -> str:
    """Two subjects, an author with an authority, and something odd."""
    item = desk.pick(LIVE)
    for _ in range(2):
        desk.add_value(item, "dc.subject", words(desk.random, 2), "en")
    desk.add_value(
        item,
        "dc.contributor.author",
        author(desk.random),
        authority=f"authority-{desk.random.getrandbits(32):08x}",
        confidence=600,
    )
    desk.add_value(item, "dc.description", desk.random.choice(ODD), desk.random.choice(("en", None, "")))
    desk.touch(item)
    return f"values are added to item {item}"


@edit(4)
def add_long_value(desk: Desk) -> str:
    """A text that PostgreSQL stores out of line."""
    item = desk.pick(LIVE)
    desk.add_value(item, "dc.description.abstract", abstract(desk.random, 30_000), "en")
    desk.touch(item)
    return f"a long abstract is added to item {item}"


@edit(2)
def relabel_long_value(desk: Desk) -> str:
    """The language of a long text: the text itself is not in the log of the row's change."""
    (key, item) = desk.row(
        "select metadata_value_id, dspace_object_id from metadatavalue "
        f"where length(text_value) > 20000 and dspace_object_id in ({LIVE}) order by 1"
    )
    desk.run(
        "update metadatavalue set text_lang = %s where metadata_value_id = %s",
        desk.random.choice(("de", "fr", None)),
        key,
    )
    desk.touch(str(item))
    return f"the language of a long value of item {item} is changed"


@edit(6)
def remove_value(desk: Desk) -> str:
    """One value goes and those after it move up."""
    item = desk.pick(
        f"select uuid from ({LIVE}) l where exists (select from metadatavalue v "
        "where v.dspace_object_id = l.uuid and v.place > 0)"
    )
    key, field, place = desk.row(
        "select metadata_value_id, metadata_field_id, place from metadatavalue "
        "where dspace_object_id = %s and place > 0 order by 1",
        item,
    )
    desk.run("delete from metadatavalue where metadata_value_id = %s", key)
    desk.run(
        "update metadatavalue set place = place - 1 where dspace_object_id = %s and metadata_field_id = %s "
        "and place > %s",
        item,
        field,
        place,
    )
    desk.touch(item)
    return f"a value of item {item} is removed"


@edit(5)
def reorder_values(desk: Desk) -> str:
    """REST `move`: the places of two values change, the item's stamp does not."""
    item = desk.pick(
        f"select uuid from ({LIVE}) l where exists (select from metadatavalue v "
        "where v.dspace_object_id = l.uuid and v.place = 1)"
    )
    (field,) = desk.row(
        "select distinct metadata_field_id from metadatavalue where dspace_object_id = %s and place = 1 order by 1",
        item,
    )
    desk.run(
        "update metadatavalue set place = 1 - place where dspace_object_id = %s and metadata_field_id = %s "
        "and place in (0, 1)",
        item,
        field,
    )
    return f"values of item {item} change places, unstamped"


@edit(5)
def rewrite_values(desk: Desk) -> str:
    """A field is cleared and written again in another order: all rows have new ids."""
    item = desk.pick(LIVE)
    key = desk.repository.registries.field("dc.subject")
    rows = desk.all(
        "delete from metadatavalue where dspace_object_id = %s and metadata_field_id = %s "
        "returning text_value, text_lang, authority, confidence",
        item,
        key,
    )
    desk.random.shuffle(rows)
    for text, lang, authority, confidence in rows or [("first", "en", None, -1)]:
        desk.add_value(item, "dc.subject", text, lang, authority=authority, confidence=confidence)
    desk.touch(item)
    return f"the subjects of item {item} are written again"


@edit(1)
def remove_field_everywhere(desk: Desk) -> str:
    """The script `metadata-deletion`: a field of many items at once, no stamp moves."""
    key = desk.repository.registries.field("dc.identifier.other")
    if not desk.run("delete from metadatavalue where metadata_field_id = %s", key):
        raise NothingToEdit
    return "dc.identifier.other is deleted everywhere, unstamped"


@edit(5)
def rename_file(desk: Desk) -> str:
    """Name and description of a bitstream; the item's stamp does not move."""
    file = desk.pick(FILES)
    desk.set_value(file, "dc.title", words(desk.random, 2) + ".pdf")
    desk.set_value(file, "dc.description", words(desk.random, 5), "en")
    return f"bitstream {file} is renamed, unstamped"


@edit(2)
def edit_iiif(desk: Desk) -> str:
    """IIIF metadata of a bitstream and of its bundle."""
    file = desk.pick(FILES)
    (bundle,) = desk.row("select bundle_id from bundle2bitstream where bitstream_id = %s order by 1", file)
    desk.set_value(file, "iiif.label", words(desk.random, 1))
    desk.set_value(bundle, "iiif.label", words(desk.random, 2))
    return f"IIIF metadata of bitstream {file} and of its bundle change, unstamped"


@edit(1)
def edit_site(desk: Desk) -> str:
    """Metadata of the site."""
    desk.set_value(desk.repository.site, "dc.title", words(desk.random, 3), "en")
    return "the site has another title"


@edit(1)
def set_security_level(desk: Desk) -> str:
    """DSpace 10: the security level of a value."""
    if not desk.repository.rows.has_security:
        raise NothingToEdit
    item = desk.pick(LIVE)
    desk.run(
        "update metadatavalue set security_level = %s where dspace_object_id = %s and place = 0",
        desk.random.choice((0, 1, 2)),
        item,
    )
    desk.touch(item)
    return f"values of item {item} have another security level"
