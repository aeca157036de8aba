"""Edits of bundles and bitstreams: some move `last_modified` of the item, some do not (reference section 2.7)."""

from __future__ import annotations

from daemon.sample.edits.core import ARCHIVED, FILES, LIVE, Desk, NothingToEdit, edit
from daemon.sample.edits.deletion import delete_bitstream, delete_bundle
from daemon.sample.texts import words
from daemon.sample.vocabulary import BUNDLE, File

BUNDLES = f"select bundle_id as uuid from item2bundle where item_id in ({LIVE})"
FILLED = f"select uuid from ({BUNDLES}) b where exists (select from bundle2bitstream p where p.bundle_id = b.uuid)"


def owner(desk: Desk, bundle: str) -> str:
    """The item of a bundle."""
    return str(desk.value("select item_id from item2bundle where bundle_id = %s", bundle))


def _new_file(desk: Desk, item: str, bundle: str, content: bytes | None = None) -> str:
    stored = desk.repository.files.store(desk.random.randbytes(2000) if content is None else content)
    file = File(f"{words(desk.random, 1)}.{desk.random.choice(('pdf', 'txt', 'png'))}", stored)
    uuid = desk.repository.bitstream(file, desk.next_sequence_id(item), ())
    desk.repository.flush()
    desk.copy_policies(item, uuid, 0)
    order = desk.value(
        "select coalesce(max(bitstream_order) + 1, 0) from bundle2bitstream where bundle_id = %s", bundle
    )
    desk.run(
        "insert into bundle2bitstream (bundle_id, bitstream_id, bitstream_order) values (%s, %s, %s)",
        bundle,
        uuid,
        order,
    )
    return uuid


def _new_bundle(desk: Desk, item: str, name: str) -> str:
    uuid = desk.repository.uuid()
    desk.repository.rows.add("bundle", uuid, None, None)
    desk.repository.rows.add("item2bundle", item, uuid)
    desk.repository.flush()
    desk.set_value(uuid, "dc.title", name)
    desk.copy_policies(item, uuid, BUNDLE)
    return uuid


@edit(8)
def add_file(desk: Desk) -> str:
    """A bitstream at the end of a bundle."""
    bundle = desk.pick(BUNDLES)
    item = owner(desk, bundle)
    file = _new_file(desk, item, bundle, b"" if desk.random.random() < 0.1 else None)
    desk.touch(item)
    return f"bitstream {file} is added to item {item}"


@edit(5)
def delete_file(desk: Desk) -> str:
    """Through REST, as the user interface does: the item's stamp does not move."""
    file = desk.pick(FILES)
    delete_bitstream(desk, file)
    return f"bitstream {file} is deleted, unstamped"


@edit(3)
def remove_file_from_bundle(desk: Desk) -> str:
    """Through its bundle: the item is stamped; a bitstream that is in another bundle as well stays there."""
    bundle = desk.pick(FILLED)
    (file,) = desk.row("select bitstream_id from bundle2bitstream where bundle_id = %s order by 1", bundle)
    item = owner(desk, bundle)
    if desk.value("select count(*) from bundle2bitstream where bitstream_id = %s", file) == 1:
        delete_bitstream(desk, file)
    else:
        desk.run(
            "update bundle set primary_bitstream_id = null where uuid = %s and primary_bitstream_id = %s", bundle, file
        )
        desk.run("delete from bundle2bitstream where bundle_id = %s and bitstream_id = %s", bundle, file)
        desk.renumber(bundle)
    desk.touch(item)
    return f"bitstream {file} is removed from its bundle in item {item}"


@edit(4)
def reorder_files(desk: Desk) -> str:
    """The bitstreams of a bundle in another order: the order is in the key, so the rows are written anew."""
    bundle = desk.pick(
        f"select uuid from ({BUNDLES}) b where exists (select from bundle2bitstream p "
        "where p.bundle_id = b.uuid and p.bitstream_order = 1)"
    )
    rows = desk.all(
        "delete from bundle2bitstream where bundle_id = %s "
        "returning bitstream_order, bitstream_id, bitstream_order_legacy",
        bundle,
    )
    order = [(file, legacy) for _, file, legacy in sorted(rows)]
    desk.place(bundle, order[1:] + order[:1])
    desk.touch(owner(desk, bundle))
    return f"the bitstreams of bundle {bundle} are reordered"


@edit(3)
def replace_file(desk: Desk) -> str:
    """A new bitstream in the place of an old one, with new bytes."""
    bundle = desk.pick(FILLED)
    item = owner(desk, bundle)
    (old,) = desk.row("select bitstream_id from bundle2bitstream where bundle_id = %s order by 1", bundle)
    new = _new_file(desk, item, bundle)
    delete_bitstream(desk, old)
    desk.touch(item)
    return f"bitstream {old} is replaced by {new} in item {item}"


@edit(3)
def change_primary(desk: Desk) -> str:
    """The primary bitstream of a bundle, set or taken away; the item's stamp does not move."""
    bundle = desk.pick(FILLED)
    (file,) = desk.row("select bitstream_id from bundle2bitstream where bundle_id = %s order by 1", bundle)
    desk.run("update bundle set primary_bitstream_id = nullif(%s, primary_bitstream_id) where uuid = %s", file, bundle)
    return f"bundle {bundle} has another primary bitstream, unstamped"


@edit(3)
def share_file(desk: Desk) -> str:
    """A bitstream of a bundle is put into a second bundle of the same item."""
    bundle = desk.pick(FILLED)
    item = owner(desk, bundle)
    (file,) = desk.row("select bitstream_id from bundle2bitstream where bundle_id = %s order by 1", bundle)
    second = _new_bundle(desk, item, "SHARED")
    desk.place(second, [(file, None)])
    desk.touch(item)
    return f"bitstream {file} is in two bundles of item {item}"


@edit(3)
def create_bundle(desk: Desk) -> str:
    """An empty bundle; the item's stamp does not move."""
    item = desk.pick(LIVE)
    bundle = _new_bundle(desk, item, desk.random.choice(("ORIGINAL", "METADATA", "BRANDED_PREVIEW", "SWORD")))
    return f"item {item} has a new, empty bundle {bundle}, unstamped"


@edit(3)
def remove_bundle(desk: Desk) -> str:
    """A bundle with its bitstreams; an empty one leaves the item's stamp alone."""
    bundle = desk.pick(BUNDLES)
    item = owner(desk, bundle)
    held = desk.value("select count(*) from bundle2bitstream where bundle_id = %s", bundle)
    delete_bundle(desk, bundle)
    if held:
        desk.touch(item)
    return f"bundle {bundle} of item {item} is deleted with {held} bitstreams"


@edit(2)
def rename_bundle(desk: Desk) -> str:
    """A bundle's name is metadata; the item's stamp does not move."""
    bundle = desk.pick(BUNDLES)
    desk.set_value(bundle, "dc.title", f"DERIVED-{desk.random.randrange(10**6)}")
    return f"bundle {bundle} is renamed, unstamped"


@edit(3)
def change_format(desk: Desk) -> str:
    """A bitstream is of another format, or of one that only its user knows."""
    file = desk.pick(FILES)
    old = desk.value(
        "select f.short_description from bitstream b join bitstreamformatregistry f using (bitstream_format_id) "
        "where b.uuid = %s",
        file,
    )
    name = desk.random.choice([name for name in ("Adobe PDF", "XML", "Unknown", "PNG") if name != old])
    desk.run(
        "update bitstream set bitstream_format_id = %s where uuid = %s", desk.repository.registries.format(name), file
    )
    if name == "Unknown":
        desk.set_value(file, "dc.format", "A format of its own")
    return f"bitstream {file} is of the format {name}, unstamped"


@edit(2)
def filter_media(desk: Desk) -> str:
    """The text of an item's files is extracted anew: the bundle TEXT is made or filled."""
    item = desk.pick(ARCHIVED)
    title = desk.repository.registries.field("dc.title")
    bundle = desk.value(
        "select l.bundle_id from item2bundle l join metadatavalue v on v.dspace_object_id = "
        "l.bundle_id where l.item_id = %s and v.metadata_field_id = %s and v.text_value = 'TEXT' "
        "order by 1",
        item,
        title,
    ) or _new_bundle(desk, item, "TEXT")
    file = _new_file(desk, item, bundle, words(desk.random, 200).encode())
    desk.touch(item)
    return f"item {item} has extracted text {file}"


@edit(2)
def change_logo(desk: Desk) -> str:
    """A container has a new logo, the old one becomes a deleted bitstream."""
    table = desk.random.choice(("community", "collection"))
    uuid = desk.pick(f"select uuid from {table}")
    old = desk.value(f"select logo_bitstream_id from {table} where uuid = %s", uuid)
    logo = desk.repository.logo()
    desk.repository.flush()
    desk.run(f"update {table} set logo_bitstream_id = %s where uuid = %s", logo, uuid)
    if old:
        delete_bitstream(desk, old)
    return f"{table} {uuid} has the new logo {logo}"


@edit(1)
def remove_logo(desk: Desk) -> str:
    """A container loses its logo."""
    table = desk.random.choice(("community", "collection"))
    rows = desk.all(f"select uuid, logo_bitstream_id from {table} where logo_bitstream_id is not null order by 1")
    if not rows:
        raise NothingToEdit
    uuid, logo = desk.random.choice(rows)
    desk.run(f"update {table} set logo_bitstream_id = null where uuid = %s", uuid)
    delete_bitstream(desk, logo)
    return f"{table} {uuid} has no logo any more"
