"""Manifests of packages: whole with our extension, readable without it, and valid against the METS schema."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from lxml import etree
from msgspec.structs import replace

from events.aip import canonical, links, markup, mets_in, model, read, registry_rows, stock_out
from events.aip.mets import TYPES
from events.aip.model import Aip, Kind, derived_uuid
from events.aip.surroundings import Inside, Surroundings, package_name
from tests import schemas
from tests.events.aip import strategies
from tests.hunting import examples

RELAXED = settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


@st.composite
def surroundings(draw: st.DrawFn, kind: Kind, *, extension: bool | None = None) -> Surroundings:
    """Whatever can stand around an object of that kind."""
    below = {
        Kind.SITE: [Kind.COMMUNITY], Kind.COMMUNITY: [Kind.COMMUNITY, Kind.COLLECTION], Kind.COLLECTION: [Kind.ITEM],
    }.get(kind, [])  # fmt: skip
    inside = []
    for number in range(draw(st.integers(0, 3)) if below else 0):
        child, uuid = draw(st.sampled_from(below)), derived_uuid(f"child {number}")
        handle = draw(st.none() | st.just(f"1/{number + 5000}"))
        inside.append(Inside(child, uuid, handle, package_name(child, handle, uuid)))
    people: list[Aip] = []
    if below:
        accounts = st.one_of(strategies.aips(Kind.GROUP), strategies.aips(Kind.PERSON))
        people = draw(st.lists(accounts, max_size=3, unique_by=lambda aip: aip.uuid))
    roles = st.sampled_from(["ADMIN", "SUBMIT", "WORKFLOW_STEP_1"])
    types = {aip.uuid: draw(roles) for aip in people if aip.kind is Kind.GROUP and draw(st.booleans())}
    return Surroundings(
        inside=tuple(inside),
        people=tuple(people),
        types=types,
        withdrawn=draw(st.booleans()),
        extension=draw(st.booleans()) if extension is None else extension,
        links=draw(st.none() | st.just("https://repository.example.org/ui?a=1&b=2")),
    )


def bundles(aip: Aip) -> set[str | None]:
    """The names of the bundles of an item."""
    own = {row.uuid for row in aip.bundles}
    return {row.text for row in aip.values if row.subject in own and row.field == "dc.title"}


@pytest.mark.parametrize("kind", list(TYPES))
def test_nothing_of_an_object_is_lost_in_a_package(kind: Kind) -> None:
    """Whatever stands around it, the object in its extension is the object."""

    @RELAXED
    @given(strategies.aips(kind), surroundings(kind, extension=True))
    def holds(aip: Aip, around: Surroundings) -> None:
        assert read(stock_out.write(aip, around)) == canonical(aip)

    holds()


@pytest.mark.parametrize("kind", list(TYPES))
def test_any_rows_at_all_are_carried(kind: Kind) -> None:
    """Even rows that no DSpace would have."""

    @RELAXED
    @given(strategies.wild(kind))
    def holds(aip: Aip) -> None:
        assert read(stock_out.write(aip, Surroundings())) == canonical(aip)

    holds()


@pytest.mark.parametrize("kind", list(TYPES))
def test_without_the_extension_it_reads_as_stock_dspaces_own(kind: Kind) -> None:
    """Same object, same handle, same metadata as far as stock DSpace has words for them."""

    @RELAXED
    @given(strategies.aips(kind), surroundings(kind, extension=False))
    def holds(aip: Aip, around: Surroundings) -> None:
        document = stock_out.write(aip, around)
        assume(links.own_handle(markup.parse(document)) not in {name.name for name in aip.names})
        assert not mets_in.is_whole(markup.parse(document))
        found = read(document)
        assert (found.kind, found.uuid, found.handle) == (aip.kind, aip.uuid, aip.handle)
        if kind is Kind.ITEM:
            assert {row.uuid for row in found.bitstreams} == {row.uuid for row in aip.bitstreams}
            assert ("ORIGINAL" in bundles(found)) is ("ORIGINAL" in bundles(aip))

    holds()


@pytest.mark.parametrize("kind", list(TYPES))
def test_a_manifest_is_valid_against_the_mets_schema(kind: Kind) -> None:
    """With and without the extension, with people, children and links; METS elements have METS's attributes alone."""

    @RELAXED
    @given(strategies.aips(kind), surroundings(kind))
    def holds(aip: Aip, around: Surroundings) -> None:
        document = stock_out.write(aip, around)
        assert schemas.errors(document) == []
        for element in etree.fromstring(document).iter(f"{{{markup.METS}}}*"):
            assert not [name for name in element.attrib if name.startswith(f"{{{markup.AS}}}")]

    holds()


def test_the_schema_finds_what_is_wrong() -> None:
    """An ID that is no name, a reference that leads nowhere, an element out of order: each is told."""
    item = Aip(kind=Kind.ITEM, uuid=derived_uuid("item"))
    good = stock_out.write(item, Surroundings()).decode()
    assert schemas.errors(good.encode()) == []
    for pattern, broken in (
        (r' ID="amd_', ' ID="1 amd_'),
        (r' ADMID="amd_', ' ADMID="nowhere_'),
        (r"<structMap.*</structMap>", ""),
    ):
        changed, count = re.subn(pattern, broken, good, count=1, flags=re.S)
        assert count == 1
        assert schemas.errors(changed.encode()) != []


def test_a_withdrawn_item_says_so_only_if_asked() -> None:
    """Stock DSpace cannot restore a missing item that says it."""
    row = model.ItemRow(derived_uuid("item"), None, False, True, True, None, None, None)
    item = Aip(kind=Kind.ITEM, uuid=row.uuid, items=[row])
    for asked in (False, True):
        document = stock_out.write(item, Surroundings(withdrawn=asked, extension=False))
        assert (b"WITHDRAWN" in document) is asked
        assert read(document).items[0].withdrawn is asked
    public = replace(item, items=[replace(row, withdrawn=False, in_archive=True)])
    assert b"WITHDRAWN" not in stock_out.write(public, Surroundings(withdrawn=True))


def test_the_same_object_gives_the_same_bytes() -> None:
    """Whatever the order of its rows."""

    @RELAXED
    @given(strategies.aips(Kind.ITEM), st.randoms(use_true_random=False))
    def holds(aip: Aip, random: object) -> None:
        mixed = replace(aip, values=list(reversed(aip.values)), bitstreams=list(reversed(aip.bitstreams)),
                        policies=list(reversed(aip.policies)), placed=list(reversed(aip.placed)))  # fmt: skip
        assert stock_out.write(mixed, Surroundings()) == stock_out.write(aip, Surroundings())

    holds()


def test_a_format_is_described_as_stock_dspace_describes_it() -> None:
    """MIME type, level of support and whether it is internal; the file has its MIME type."""
    item, bundle, file = (derived_uuid(name) for name in "abc")
    aip = Aip(
        kind=Kind.ITEM, uuid=item,
        values=[model.Value(bundle, "dc.title", 0, "ORIGINAL"), model.Value(file, "dc.title", 0, "a.pdf")],
        bundles=[model.BundleRow(item, bundle, None, None)], placed=[model.Placed(bundle, file, 0, None)],
        bitstreams=[model.BitstreamRow(file, None, "Adobe PDF", "0" * 32, "MD5", 1, 3)],
        stored=[model.Stored(file, "1", 0, "0" * 64)],
        formats=[registry_rows.Format("Adobe PDF", "application/pdf", "PDF", 2, False, ("pdf",))],
    )  # fmt: skip
    document = stock_out.write(aip, Surroundings()).decode()
    assert 'MIMETYPE="application/pdf"' in document
    (known,) = read(stock_out.write(aip, Surroundings(extension=False))).formats
    assert replace(known, description="PDF", extensions=("pdf",)) == aip.formats[0]
    empty = stock_out.write(aip, Surroundings(empty=frozenset({file}))).decode()
    assert re.search(rf'<file ID="bitstream_{file}" SIZE="0"', empty)


@pytest.mark.parametrize(
    ("handle", "name"),
    [
        ("123456789/7", "ITEM@123456789-7.zip"),
        ("20.500.12345/77.2", "ITEM@20.500.12345-77.2.zip"),
        ("1/../../etc/passwd", "ITEM@1-..-..-etc-passwd.zip"),
        ("1/a\\b:c*?\n\x00", "ITEM@1-a_b_c____.zip"),
        (None, "ITEM@internal-id-0.zip"),
        ("", "ITEM@internal-id-0.zip"),
    ],
)
def test_a_packages_name_leads_nowhere_else(handle: str | None, name: str) -> None:
    """As stock DSpace names packages, without a character that means something to a file system."""
    assert package_name(Kind.ITEM, handle, "0") == name


@pytest.mark.parametrize("letter", ["a", "ä", "語", "😀"])
def test_a_long_handle_has_a_name_that_a_file_can_have(letter: str) -> None:
    """File systems count bytes, 255 at most."""
    assert 150 < len(package_name(Kind.COLLECTION, f"1/{letter * 250}", "0").encode()) < 220
