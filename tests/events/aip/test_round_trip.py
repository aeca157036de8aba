"""What is written is read back: every row of every kind of object, whatever its texts hold."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.aip import canonical, extension, markup, model, read, write
from events.aip.model import Aip, Kind
from events.aip.order import LISTS
from tests.events.aip import strategies
from tests.events.aip.strategies import aips, wild
from tests.hunting import examples

RELAXED = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("kind", Kind)
def test_an_object_comes_back_as_it_was(kind: Kind) -> None:
    """read(write(aip)) is the AIP with its rows in canonical order."""

    @RELAXED
    @given(aips(kind))
    def comes_back(aip: Aip) -> None:
        assert read(write(aip)) == canonical(aip)

    comes_back()


@pytest.mark.parametrize("kind", Kind)
def test_rows_that_no_dspace_would_have_come_back_too(kind: Kind) -> None:
    """Doubled UUIDs, places without bitstreams, rows of another kind: nothing is dropped, whatever it means."""

    @RELAXED
    @given(wild(kind))
    def comes_back(aip: Aip) -> None:
        assert read(write(aip)) == canonical(aip)

    comes_back()


@RELAXED
@given(wild(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_change_the_document(aip: Aip, random: object) -> None:
    """Two AIPs with the same rows give the same bytes, in whatever order a database returned them."""
    before = write(aip)
    for name in LISTS:
        random.shuffle(getattr(aip, name))  # type: ignore[attr-defined]
    assert write(aip) == before


@RELAXED
@given(wild())
def test_canonical_keeps_every_row_and_its_argument(aip: Aip) -> None:
    """Sorting loses no row, sorts for good, and leaves the AIP that it was given alone."""
    before = msgspec.json.encode(aip)
    after = canonical(aip)
    assert msgspec.json.encode(aip) == before
    assert canonical(after) == after
    for name in LISTS:
        assert sorted(map(repr, getattr(after, name))) == sorted(map(repr, getattr(aip, name)))


def test_every_field_of_an_aip_has_an_element() -> None:
    """A row class that is added to the model cannot be forgotten by the codec."""
    plain = {"kind", "uuid", "key"}
    assert {field.name for field in msgspec.structs.fields(Aip)} - plain == set(extension.ELEMENTS)
    assert len({element for element, _ in extension.ELEMENTS.values()}) == len(extension.ELEMENTS)


@pytest.mark.parametrize("text", strategies.SPECIAL, ids=repr)
def test_a_nasty_text_survives_wherever_it_stands(text: str) -> None:
    """As title, language, authority, policy name, bundle name, file name, group name and natural key."""
    item, bundle, file, group = (model.derived_uuid(name) for name in "abcd")
    aip = Aip(
        kind=Kind.ITEM,
        uuid=item,
        key=text,
        items=[model.ItemRow(item, None, True, False, True, text, None, None)],
        values=[
            model.Value(item, "dc.title", 0, text, text, text, 600),
            model.Value(bundle, "dc.title", 0, text),
            model.Value(file, "dc.title", 0, text),
        ],
        bundles=[model.BundleRow(item, bundle, None, None)],
        placed=[model.Placed(bundle, file, 0, None)],
        bitstreams=[model.BitstreamRow(file, None, text, text, "MD5", 1, 0)],
        stored=[model.Stored(file, text, 0, text)],
        policies=[model.Policy(item, 0, group, None, None, None, text, text, text)],
        handles=[model.HandleRow(item, text, 0)],
        names=[model.Name(group, Kind.GROUP, text)],
    )
    assert read(write(aip)) == canonical(aip)


@given(strategies.TEXTS)
def test_a_parser_reads_what_the_escaper_wrote(text: str) -> None:
    """Element content and attributes come back unchanged, but for characters that XML cannot hold."""
    document = f'<a b="{markup.quoted(text)}">{markup.text(text)}</a>'.encode()
    element = markup.parse(document)
    held = "".join(character for character in text if markup.holds(character))
    assert (element.text or "") == held
    assert element.get("b") == held


def test_none_empty_and_any_language_are_three_things() -> None:
    """A language of None, of "" and of "*", and a text of None and of "", are told apart."""
    item = model.derived_uuid("item")
    values = [
        model.Value(item, "dc.title", place, text, lang)
        for place, (text, lang) in enumerate((text, lang) for text in (None, "", " ") for lang in (None, "", "*"))
    ]
    aip = Aip(kind=Kind.ITEM, uuid=item, values=values)
    assert read(write(aip)).values == values


def test_a_text_of_twelve_megabytes_is_carried() -> None:
    """Above the size at which the XML library refuses a text unless told otherwise."""
    item = model.derived_uuid("item")
    aip = Aip(kind=Kind.ITEM, uuid=item, values=[model.Value(item, "dc.title", 0, "x" * 12_000_000)])
    assert read(write(aip)) == aip
