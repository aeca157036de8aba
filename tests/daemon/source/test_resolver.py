"""Every row that changes names the objects that it changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from daemon.dspace.coverage import ENTRIES, Place
from daemon.dspace.tables import VERSIONS, create_schema
from daemon.sample.edits import EDITS, Editor, NothingToEdit
from daemon.scratch import Cluster
from daemon.source.resolver import resolve
from daemon.source.spool import Chunk
from daemon.source.touches import RULES, Subject
from daemon.source.wal import WalSource
from events.aip.model import Kind, derived_uuid
from tests.daemon.source.followed import Followed, assetstore_of, changed, touched, untold

pytestmark = pytest.mark.xdist_group("resolver")
"""The changes are made one after the other to one repository."""

FILE = (
    "(SELECT b.uuid FROM bitstream b JOIN bundle2bitstream bb ON bb.bitstream_id = b.uuid AND NOT b.deleted JOIN "
    "item2bundle ib USING (bundle_id) JOIN item i ON i.uuid = ib.item_id AND i.in_archive ORDER BY 1 LIMIT 1)"
)
ITEM = "(SELECT uuid FROM item WHERE in_archive ORDER BY uuid LIMIT 1)"
BUNDLE = (
    "(SELECT bundle_id FROM item2bundle WHERE item_id IN (SELECT uuid FROM item WHERE in_archive) ORDER BY 1 LIMIT 1)"
)
TEMPLATE = "(SELECT template_item_id FROM collection WHERE template_item_id IS NOT NULL ORDER BY uuid LIMIT 1)"
COLLECTION = "(SELECT uuid FROM collection ORDER BY uuid LIMIT 1)"
COMMUNITY = "(SELECT uuid FROM community ORDER BY uuid LIMIT 1)"
LOGO = "(SELECT logo_bitstream_id FROM {} WHERE logo_bitstream_id IS NOT NULL ORDER BY uuid LIMIT 1)"
GROUP = "(SELECT uuid FROM epersongroup WHERE NOT permanent ORDER BY uuid LIMIT 1)"
PERSON = "(SELECT uuid FROM eperson ORDER BY uuid LIMIT 1)"
FIELD = "(SELECT min(metadata_field_id) FROM metadatafieldregistry)"
NEW = "'00000000-0000-4000-8000-00000000000{}'::uuid"


def value_of(subject: str) -> str:
    return ("INSERT INTO metadatavalue (metadata_field_id, text_value, place, confidence, dspace_object_id) "
            f"VALUES ({FIELD}, 'new', 90, -1, {subject})")  # fmt: skip


def policy_of(subject: str) -> str:
    return ("INSERT INTO resourcepolicy (policy_id, resource_type_id, action_id, epersongroup_id, dspace_object) "
            f"VALUES (nextval('resourcepolicy_seq'), 2, 0, {GROUP}, {subject})")  # fmt: skip


CHANGES = {
    **{f"value of {name}": value_of(what) for name, what in {
        "an item": ITEM, "a bundle": BUNDLE, "a file": FILE, "a template": TEMPLATE, "a collection": COLLECTION,
        "a community": COMMUNITY, "a collection's logo": LOGO.format("collection"), "a group": GROUP,
        "a community's logo": LOGO.format("community"), "a person": PERSON, "the site": "(SELECT uuid FROM site)",
    }.items()},
    "value changed": f"UPDATE metadatavalue SET text_value = 'other' WHERE dspace_object_id = {FILE}",
    "value moved": f"UPDATE metadatavalue SET dspace_object_id = {ITEM} WHERE dspace_object_id = {BUNDLE}",
    "value deleted": f"DELETE FROM metadatavalue WHERE dspace_object_id = {FILE}",
    **{f"policy of {name}": policy_of(what) for name, what in {
        "an item": ITEM, "a bundle": BUNDLE, "a file": FILE, "a collection": COLLECTION, "a logo":
        LOGO.format("collection"), "the site": "(SELECT uuid FROM site)"}.items()},
    "policy changed": f"UPDATE resourcepolicy SET start_date = '2031-01-01' WHERE dspace_object = {FILE}",
    "policy deleted": f"DELETE FROM resourcepolicy WHERE dspace_object = {FILE}",
    "item changed": f"UPDATE item SET discoverable = NOT discoverable WHERE uuid = {ITEM}",
    "template changed": f"UPDATE item SET discoverable = NOT discoverable WHERE uuid = {TEMPLATE}",
    "related item withdrawn": "UPDATE item SET in_archive = false WHERE uuid = "
                              "(SELECT left_id FROM relationship JOIN item ON uuid = left_id AND in_archive LIMIT 1)",
    "version withdrawn": "UPDATE item SET in_archive = false, withdrawn = true WHERE uuid = "
                         "(SELECT v.item_id FROM versionitem v JOIN item i ON i.uuid = v.item_id AND "
                         "in_archive LIMIT 1)",
    "bundle changed": "UPDATE bundle SET primary_bitstream_id = NULL WHERE uuid = (SELECT uuid FROM bundle "
                      "WHERE primary_bitstream_id IS NOT NULL LIMIT 1)",
    "file changed": f"UPDATE bitstream SET checksum = repeat('0', 32) WHERE uuid = {FILE}",
    "logo changed": f"UPDATE bitstream SET size_bytes = 1 WHERE uuid = {LOGO.format('community')}",
    "file deleted": f"UPDATE bitstream SET deleted = true WHERE uuid = {FILE}",
    "file unlinked": f"DELETE FROM bundle2bitstream WHERE bitstream_id = {FILE}",
    "file linked": f"INSERT INTO bundle2bitstream (bundle_id, bitstream_id, bitstream_order) VALUES ({BUNDLE}, "
                   f"(SELECT uuid FROM bitstream b WHERE NOT deleted AND NOT EXISTS (SELECT FROM bundle2bitstream x "
                   f"WHERE x.bitstream_id = b.uuid AND x.bundle_id = {BUNDLE}) LIMIT 1), 70)",
    "file moved": "UPDATE bundle2bitstream SET bundle_id = (SELECT bundle_id FROM item2bundle WHERE "
                  "item_id IN (SELECT "
                  "uuid FROM item WHERE in_archive) ORDER BY 1 DESC LIMIT 1), bitstream_order = 71 "
                  f"WHERE bundle_id = {BUNDLE}",
    "bundle unlinked": f"DELETE FROM item2bundle WHERE bundle_id = {BUNDLE}",
    "bundle to a template": f"INSERT INTO item2bundle (item_id, bundle_id) VALUES ({TEMPLATE}, {BUNDLE})",
    "item mapped": f"INSERT INTO collection2item (collection_id, item_id) SELECT c.uuid, {ITEM} FROM "
                   "collection c WHERE "
                   f"NOT EXISTS (SELECT FROM collection2item x WHERE (x.collection_id, x.item_id) = (c.uuid, {ITEM}))",
    "item unmapped": f"DELETE FROM collection2item WHERE item_id = {ITEM}",
    "collection changed": f"UPDATE collection SET submitter = NULL, admin = {GROUP} WHERE uuid = {COLLECTION}",
    "logo removed": "UPDATE collection SET logo_bitstream_id = NULL",
    "template removed": f"UPDATE collection SET template_item_id = NULL WHERE template_item_id = {TEMPLATE}",
    "community changed": f"UPDATE community SET admin = {GROUP} WHERE uuid = {COMMUNITY}",
    "community moved": "DELETE FROM community2community",
    "community nested": "INSERT INTO community2community SELECT p.uuid, c.uuid FROM community p JOIN community c "
                        "ON c.uuid > p.uuid ORDER BY 1, 2 LIMIT 1",
    "collection moved": "DELETE FROM community2collection WHERE collection_id = " + COLLECTION,
    "collection added": "INSERT INTO community2collection (collection_id, community_id) VALUES "
                        f"({COLLECTION}, {COMMUNITY})",
    "group renamed": f"UPDATE epersongroup SET name = 'renamed' WHERE uuid = {GROUP}",
    "member added": f"INSERT INTO epersongroup2eperson SELECT {GROUP}, uuid FROM eperson ON CONFLICT DO NOTHING",
    "member removed": f"DELETE FROM epersongroup2eperson WHERE eperson_group_id = {GROUP}",
    "group nested": f"INSERT INTO group2group (parent_id, child_id) SELECT {GROUP}, uuid FROM epersongroup g WHERE NOT "
                    f"EXISTS (SELECT FROM group2group x WHERE (x.parent_id, x.child_id) = ({GROUP}, g.uuid))",
    "group unnested": "DELETE FROM group2group",
    "person changed": f"UPDATE eperson SET email = 'new@example.org' WHERE uuid = {PERSON}",
    "relationship moved": "UPDATE relationship SET left_place = left_place + 5",
    "relationship deleted": "DELETE FROM relationship",
    "version changed": "UPDATE versionitem SET version_summary = 'changed' WHERE versionitem_id = (SELECT "
                       "min(versionitem_id) FROM versionitem)",
    "version's item gone": "UPDATE versionitem SET item_id = NULL WHERE versionitem_id = (SELECT "
                           "max(versionitem_id) FROM "
                           "versionitem WHERE item_id IS NOT NULL)",
    "version deleted": "DELETE FROM versionitem WHERE versionitem_id = (SELECT min(versionitem_id) FROM versionitem "
                       "WHERE item_id IS NOT NULL)",
    "harvest changed": "UPDATE harvested_collection SET oai_set_id = 'other'",
    "harvest deleted": "DELETE FROM harvested_collection",
    "record changed": "UPDATE harvested_item SET oai_id = 'other'",
    "record deleted": "DELETE FROM harvested_item",
    "role changed": "UPDATE cwf_collectionrole SET role_id = 'other' WHERE collectionrole_id = (SELECT "
                    "min(collectionrole_id) FROM cwf_collectionrole)",
    "role deleted": "DELETE FROM cwf_collectionrole",
    "subscribed": "INSERT INTO subscription (subscription_id, eperson_id, dspace_object_id, type) VALUES "
                  f"(nextval('subscription_seq'), {PERSON}, {COLLECTION}, 'content')",
    "parameter changed": "UPDATE subscription_parameter SET value = 'Y'",
    "parameter deleted": "DELETE FROM subscription_parameter",
    "unsubscribed": "DELETE FROM subscription",
    "supervision ended": "DELETE FROM supervision_orders",
    "role of a task": "DELETE FROM cwf_workflowitemrole",
    "claim changed": "UPDATE cwf_claimtask SET step_id = 'other'",
    "claim deleted": "DELETE FROM cwf_claimtask",
    "pool task deleted": "DELETE FROM cwf_pooltask",
    "user finished": "UPDATE cwf_in_progress_user SET finished = NOT finished",
    "user deleted": "DELETE FROM cwf_in_progress_user",
    "reviewed item archived": "WITH w AS (DELETE FROM cwf_workflowitem WHERE workflowitem_id = (SELECT "
                              "max(workflowitem_id) FROM cwf_workflowitem) RETURNING item_id) "
                              "UPDATE item SET in_archive = true FROM w WHERE uuid = w.item_id",
    "draft changed": "UPDATE workspaceitem SET stage_reached = 7",
    "drafts discarded": "DELETE FROM workspaceitem",
    "handle added": f"INSERT INTO handle (handle_id, handle, resource_type_id, resource_id) VALUES "
                    f"(nextval('handle_id_seq'), '1/extra', 2, {ITEM})",
    "handle released": "UPDATE handle SET resource_id = NULL WHERE handle = '1/extra'",
    "handle renamed": "UPDATE handle SET handle = '1/other' WHERE handle = '1/extra'",
    "handle bound again": f"UPDATE handle SET resource_id = {COLLECTION} WHERE handle = '1/other'",
    "handle deleted": "DELETE FROM handle WHERE handle = '1/other'",
    "tombstone deleted": "DELETE FROM handle WHERE resource_id IS NULL",
    "doi changed": "UPDATE doi SET status = 9 WHERE dspace_object IS NOT NULL",
    "doi released": "UPDATE doi SET dspace_object = NULL WHERE doi_id = (SELECT min(doi_id) FROM doi WHERE "
                    "dspace_object IS NOT NULL)",
    "doi deleted": "DELETE FROM doi",
    "schema added": "INSERT INTO metadataschemaregistry (namespace, short_id) VALUES ('http://new/', 'newer')",
    "field added": "INSERT INTO metadatafieldregistry (metadata_schema_id, element) SELECT metadata_schema_id, 'thing' "
                   "FROM metadataschemaregistry WHERE short_id = 'newer'",
    "schema renamed": "UPDATE metadataschemaregistry SET short_id = 'newest' WHERE short_id = 'newer'",
    "field deleted": "DELETE FROM metadatafieldregistry WHERE element = 'thing'",
    "schema deleted": "DELETE FROM metadataschemaregistry WHERE short_id = 'newest'",
    "format added": "INSERT INTO bitstreamformatregistry (bitstream_format_id, short_description, "
                    "support_level, internal) "
                    "VALUES (nextval('bitstreamformatregistry_seq'), 'New format', 1, false)",
    "format deleted": "DELETE FROM bitstreamformatregistry WHERE short_description = 'New format'",
    "extension deleted": "DELETE FROM fileextension WHERE file_extension_id = (SELECT "
                         "min(file_extension_id) FROM fileextension)",
    "entity type added": "INSERT INTO entity_type (id, label) VALUES (nextval('entity_type_id_seq'), 'Thing')",
    "entity type deleted": "DELETE FROM entity_type WHERE label = 'Thing'",
    "relationship type changed": "UPDATE relationship_type SET left_max_cardinality = 77",
    "community added": f"INSERT INTO dspaceobject VALUES ({NEW.format(1)}); INSERT INTO community "
                       f"(uuid) VALUES ({NEW.format(1)})",
    "community deleted": f"DELETE FROM community WHERE uuid = {NEW.format(1)}; DELETE FROM "
                         f"dspaceobject WHERE uuid = {NEW.format(1)}",
    "collection new": f"INSERT INTO dspaceobject VALUES ({NEW.format(2)}); INSERT INTO collection "
                      f"(uuid) VALUES ({NEW.format(2)})",
    "collection deleted": f"DELETE FROM collection WHERE uuid = {NEW.format(2)}; DELETE FROM "
                          f"dspaceobject WHERE uuid = {NEW.format(2)}",
    "item added": f"INSERT INTO dspaceobject VALUES ({NEW.format(3)}); INSERT INTO item (uuid, in_archive, withdrawn, "
                  f"discoverable) VALUES ({NEW.format(3)}, true, false, true)",
    "item deleted": f"DELETE FROM item WHERE uuid = {NEW.format(3)}; DELETE FROM dspaceobject WHERE "
                    f"uuid = {NEW.format(3)}",
    "group added": f"INSERT INTO dspaceobject VALUES ({NEW.format(4)}); INSERT INTO epersongroup "
                   f"(uuid, name) VALUES ({NEW.format(4)}, 'four')",
    "group deleted": f"DELETE FROM epersongroup WHERE uuid = {NEW.format(4)}; DELETE FROM "
                     f"dspaceobject WHERE uuid = {NEW.format(4)}",
    "person added": f"INSERT INTO dspaceobject VALUES ({NEW.format(5)}); INSERT INTO eperson (uuid, "
                    "email, require_certificate, "
                    f"self_registered) VALUES ({NEW.format(5)}, 'five@x', false, false)",
    "person deleted": f"DELETE FROM eperson WHERE uuid = {NEW.format(5)}; DELETE FROM dspaceobject "
                      f"WHERE uuid = {NEW.format(5)}",
}  # fmt: skip
"""One statement for each way in which a row of a content table can change an object, in an order that works."""


@pytest.fixture(scope="module")
def repository(cluster: Cluster, sample: tuple[str, Path]) -> Iterator[Followed]:
    """The sample repository, prepared, with a slot; the edits of this module are made one after another."""
    made = Followed(cluster, sample[0])
    made.prepare()
    yield made
    made.close()


@pytest.fixture(scope="module")
def source(repository: Followed) -> Iterator[WalSource]:
    with repository.source() as streaming:
        yield streaming


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_statement_changed_is_touched(repository: Followed, source: WalSource, name: str) -> None:
    """Objects whose digest is another one after the statement, are new or are gone, all are in the batches."""
    before = repository.last or repository.digests()
    repository.sql(CHANGES[name])
    batches = list(source.until_current())
    really = changed(before, repository.digests())
    assert really, "the statement changes nothing: the test would prove nothing"
    assert not untold(really, batches)
    assert any(batch.sweep for batch in batches) == (name == "schema renamed"), "renaming alone sweeps"


def test_a_login_touches_that_person_only(repository: Followed, source: WalSource) -> None:
    """The row changes at every login; the digest tells the emitter that nothing did."""
    before = repository.digests()
    repository.sql(f"UPDATE eperson SET last_active = now(), session_salt = 'x' WHERE uuid = {PERSON}")
    batches = list(source.until_current())
    assert not changed(before, repository.digests())
    assert [str(one.kind) for one in touched(batches)] == ["person"]


def test_a_file_cut_off_in_one_transaction_and_its_bundle_in_the_next(repository: Followed, source: WalSource) -> None:
    """The first transaction is resolved when the second has taken its link away; the second names the item."""
    ((item, bundle),) = repository.sql(
        "SELECT item_id, bundle_id FROM item2bundle WHERE EXISTS (SELECT FROM bundle2bitstream b WHERE b.bundle_id = "
        "item2bundle.bundle_id) ORDER BY 1, 2 LIMIT 1"
    )
    repository.sql("DELETE FROM bundle2bitstream WHERE bundle_id = %s", bundle)
    repository.sql("DELETE FROM item2bundle WHERE bundle_id = %s", bundle)
    assert item in {one.uuid for one in touched(list(source.until_current()))}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_edits_are_all_seen(cluster: Cluster, sample: tuple[str, Path], tmp_path: Path, seed: int) -> None:
    """Whatever the people of a repository do, every object that changed is touched, edit by edit."""
    followed = Followed(cluster, sample[0])
    desk = psycopg2.connect(followed.dsn)
    try:
        followed.prepare()
        editor = Editor(desk, assetstore_of(tmp_path, sample[1]), seed)
        names = [name for number, name in enumerate(EDITS) if number % 3 == seed - 1]
        with followed.source() as source:
            before = followed.digests()
            for name in names:
                try:
                    told = editor.do(name)
                except NothingToEdit:
                    continue
                batches = list(source.until_current())
                after = followed.digests()
                assert not untold(changed(before, after), batches), told
                before = after
    finally:
        desk.close()
        followed.close()


def test_every_content_table_has_a_rule_of_the_right_kinds() -> None:
    """The list of columns and the rules agree: no content table is without a rule, no kind is forgotten."""
    content = [entry for entry in ENTRIES if entry.place is Place.CONTENT]
    assert {entry.table for entry in content} - {"versionhistory"} == set(RULES)
    for entry in content:
        assert set(entry.kinds) <= RULES[entry.table].kinds, entry


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_can_be_asked_for_every_kind_of_owner(cluster: Cluster, version: str) -> None:
    """The tables are the same in all of them; what is not found is told to be gone, with its UUID alone."""
    followed = Followed(cluster)
    create_schema(followed.writer, version)
    followed.writer.commit()
    followed.prepare()
    uuid = "00000000-0000-4000-8000-000000000000"
    numbers = {Subject.HISTORY, Subject.SUBSCRIPTION, Subject.WORKFLOW, Subject.SCHEMA}
    values = {subject: b"7" if subject in numbers else uuid.encode() for subject in Subject}
    values |= {Subject.REGISTRY: b"schema/dc", Subject.TOMBSTONE: b"handle/1/2", Subject.TABLE: b"site"}
    chunk = Chunk(1, 9, 100, 0, {str(subject): [value] for subject, value in values.items()}, last=True)
    found = resolve(followed.writer, [chunk])
    followed.writer.rollback()
    followed.close()
    assert {str(one.kind) for one in found.touched} == {
        "item", "community", "collection", "person", "group", "site", "registry", "tombstone"}  # fmt: skip
    assert found.sweep == {Kind.SITE}
    assert {one.uuid for one in found.touched if one.kind is Kind.TOMBSTONE} == {derived_uuid("handle/1/2")}
