"""Who loses a reference by a deletion is asked for by the very links that the deletion cuts."""

from __future__ import annotations

import re

import pytest

from daemon.dspace.facets import FACETS
from daemon.target import cut
from daemon.target.native.dropped import CONTAINER_LINKS, GROUP_LINKS, ITEM_LINKS, PERSON_LINKS, Link

OBJECTS = " ".join(facet.sql for facets in FACETS.values() for facet in facets)
OWN = {
    Link("harvested_collection", "collection_id"),
    Link("collection", "template_item_id", null=True),
    *(link for link in ITEM_LINKS if link.column == "item_id"),
}
"""What belongs to the object that goes, or goes with the collection whose part it is, and is part of no other."""


@pytest.mark.parametrize(
    ("links", "statement"),
    [
        (PERSON_LINKS, cut._PEOPLE_AND_CONTAINERS),
        (GROUP_LINKS, cut._PEOPLE_AND_CONTAINERS),
        (CONTAINER_LINKS, cut._PEOPLE_AND_CONTAINERS),
        (ITEM_LINKS, cut._ITEMS),
    ],
)
def test_every_link_that_makes_up_an_object_is_looked_along(links: tuple[Link, ...], statement: str) -> None:
    """A link that is added to the deletion alone would let an object change without its books being kept."""
    part = [link for link in links if link not in OWN and re.search(rf"\b{link.table}\b", OBJECTS)]
    assert part
    for table, column, _ in part:
        named = re.findall(rf"\b{table} (\w+)\b", statement)
        assert any(re.search(rf"\b{alias}\.{column}\b", statement) for alias in named), (table, column)
