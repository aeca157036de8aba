"""People and groups: who is who on a target that has its own, and unique names that change hands."""

from __future__ import annotations

import msgspec

from daemon.target import ledger
from events.aip.model import Aip, Kind, Member
from tests.daemon.target.native.conftest import MakePair
from tests.daemon.target.native.pair import Pair


def people(pair: Pair, *uuids: str) -> list[Aip]:
    return pair.read(uuids, pair.state())


def with_person(aip: Aip, **changes: object) -> Aip:
    """A copy with other columns."""
    assert aip.person is not None
    return msgspec.structs.replace(aip, person=msgspec.structs.replace(aip.person, **changes))


def test_standing_groups_site_and_a_known_person_are_recognised(make_pair: MakePair) -> None:
    """Anonymous and Administrator by name, the site, a person by the e-mail address: none is doubled."""
    pair = make_pair()
    state = pair.state()
    pair.write(pair.read(state, state))
    alias = ledger.aliases(pair.target)
    ours = {name: str(uuid) for name, uuid in pair.sql("SELECT name, uuid FROM epersongroup", end="target")}
    theirs = {name: str(uuid) for name, uuid in pair.sql("SELECT name, uuid FROM epersongroup")}
    for name in ("Anonymous", "Administrator"):
        assert ours[name] != theirs[name]
        assert alias[theirs[name]] == ours[name]
    admin = "SELECT uuid::text FROM eperson WHERE email = 'admin@example.org'"
    assert alias[pair.sql(admin)[0][0]] == pair.sql(admin, end="target")[0][0]
    assert pair.sql("SELECT count(*) FROM site", end="target") == [(1,)]
    assert len(alias) == 4


def test_addresses_netids_and_names_can_be_exchanged_in_one_batch(pair: Pair) -> None:
    """Two people swap e-mail address and netid, two groups their names, though all of them are unique."""
    before = pair.state()
    (a,), (b,) = pair.sql("SELECT uuid::text FROM eperson WHERE email <> 'admin@example.org' ORDER BY uuid LIMIT 2")
    (g,), (h,) = pair.sql("SELECT uuid::text FROM epersongroup WHERE NOT permanent ORDER BY uuid LIMIT 2")
    pair.sql("UPDATE eperson SET email = 'a@b', netid = 'na' WHERE uuid = %s", a)
    pair.sql("UPDATE eperson SET email = 'b@b', netid = 'nb' WHERE uuid = %s", b)
    pair.follow(before)
    before = pair.state()
    pair.sql("UPDATE eperson SET email = NULL, netid = NULL WHERE uuid = %s", a)
    pair.sql("UPDATE eperson SET email = 'a@b', netid = 'na' WHERE uuid = %s", b)
    pair.sql("UPDATE eperson SET email = 'b@b', netid = 'nb' WHERE uuid = %s", a)
    pair.sql("UPDATE epersongroup SET name = name || ' -' WHERE uuid IN (%s, %s)", g, h)
    pair.sql(
        "UPDATE epersongroup t SET name = rtrim(o.name, ' -') || CASE t.uuid WHEN %s THEN '' ELSE '+' END "
        "FROM epersongroup o WHERE t.uuid IN (%s, %s) AND o.uuid IN (%s, %s) AND o.uuid <> t.uuid",
        g, g, h, g, h,
    )  # fmt: skip
    pair.follow(before)
    assert pair.differences() == []


def test_an_address_passes_from_a_deleted_person_to_a_new_one(pair: Pair) -> None:
    """In one batch somebody goes and somebody else comes with the same address: two people, two UUIDs."""
    state = pair.state()
    old = pair.one("SELECT uuid FROM eperson WHERE email <> 'admin@example.org' ORDER BY uuid LIMIT 1")
    new = "11111111-2222-4333-8444-555555555555"
    comer = with_person(msgspec.structs.replace(old, uuid=new, values=[], policies=[]), uuid=new, netid=None)
    pair.write([comer], [(Kind.PERSON, old.uuid)])
    assert pair.sql("SELECT uuid::text FROM eperson WHERE email = %s", old.person.email, end="target") == [(new,)]
    assert new not in ledger.aliases(pair.target)
    assert old.uuid in state


def test_passwords_are_written_only_if_they_travel(make_pair: MakePair) -> None:
    """Without the setting the target's password stays; with it the source's three columns stand."""
    for travels in (False, True):
        pair = make_pair(passwords=travels)
        pair.sql("UPDATE eperson SET password = 'theirs', salt = 's', digest_algorithm = 'SHA-512'")
        pair.sql("UPDATE eperson SET password = 'ours', salt = 'o', last_active = '2020-01-01'", end="target")
        person = pair.one("SELECT uuid FROM eperson WHERE email = 'admin@example.org'")
        pair.write([person])
        found = pair.sql(
            "SELECT password, salt, last_active::text FROM eperson WHERE email = 'admin@example.org'", end="target"
        )
        assert found == [("theirs" if travels else "ours", "s" if travels else "o", "2020-01-01 00:00:00")]


def test_the_group_cache_is_the_closure_and_changes_only_where_it_must(pair: Pair) -> None:
    """A nesting more adds its closure; rows of the cache that stay right are not rewritten."""
    (a,), (b,), (c,) = pair.sql(
        "SELECT uuid::text FROM epersongroup g WHERE NOT permanent AND NOT EXISTS (SELECT FROM group2group "
        "WHERE parent_id = g.uuid OR child_id = g.uuid) ORDER BY uuid LIMIT 3"
    )
    rows = "SELECT parent_id::text, child_id::text, xmin::text FROM group2groupcache"
    before = set(pair.sql(rows, end="target"))
    assert before
    groups = {aip.uuid: aip for aip in people(pair, a, b)}
    groups[a].groups_in.append(Member(a, b))
    groups[b].groups_in.append(Member(b, c))
    written = pair.write(list(groups.values()))
    after = set(pair.sql(rows, end="target"))
    assert written.groups_changed
    assert before < after
    assert {row[:2] for row in after - before} == {(a, b), (b, c), (a, c)}
