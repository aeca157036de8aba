"""A small world of stock packages: a site with people, a community, a collection with submitters, items."""

from __future__ import annotations

from pathlib import Path

from tests.events.aip.test_stock import context, field
from tests.events.package.composed import (
    COLLECTION,
    COMMUNITY,
    JO,
    SITE,
    STAFF,
    SUBMIT,
    child,
    item,
    item_entries,
    manifest,
    metsrights,
    roles,
    techmd,
    zipped,
)

PERSON = (
    f'<Person ID="{JO}"><Email>jo@example.org</Email><FirstName>Jo</FirstName><LastName>Doe</LastName>'
    '<PasswordHash digest="SHA-512" salt="aa">bb</PasswordHash><CanLogin/></Person>'
)
SITE_ROLES = (
    f'<Groups><Group ID="{STAFF}" Name="Staff"><Members><Member ID="{JO}" Name="jo@example.org"/></Members>'
    '<MemberGroups><MemberGroup Name="COLLECTION_hdl:123456789/3_SUBMIT"/></MemberGroups></Group>'
    f'<Group ID="{SUBMIT}" Name="COLLECTION_hdl:123456789/3_SUBMIT"><Members>'
    f'<Member ID="{JO}" Name="jo@example.org"/></Members></Group></Groups>'
    f"<People>{PERSON}</People>"
)
COLLECTION_ROLES = (
    f'<Groups><Group ID="{SUBMIT}" Name="COLLECTION_hdl:123456789/3_SUBMIT" Type="SUBMIT"><Members>'
    f'<Member ID="{JO}" Name="jo@example.org"/></Members></Group></Groups>'
)


def site(folder: Path, inside: str = "") -> Path:
    """The site: a person, a group, and a collection's group that has to wait for the collection."""
    inside = inside or child("COMMUNITY", "123456789/2", "COMMUNITY@123456789-2.zip")
    document = manifest(
        "SITE", SITE, "123456789/0", descriptive=field("title", "A site"), administrative=roles(SITE_ROLES),
        inside=inside,
    )  # fmt: skip
    return zipped(folder / "SITE@123456789-0.zip", {"mets.xml": document.encode()})


def community(folder: Path, title: str = "A community", parent: str = "123456789/0") -> Path:
    document = manifest(
        "COMMUNITY", COMMUNITY, "123456789/2", descriptive=field("title", title),
        administrative=metsrights(context("GENERAL PUBLIC")),
        inside=child("COLLECTION", "123456789/3", "COLLECTION@123456789-3.zip"), parent=parent,
    )  # fmt: skip
    return zipped(folder / "COMMUNITY@123456789-2.zip", {"mets.xml": document.encode()})


def collection(folder: Path, title: str = "A collection") -> Path:
    document = manifest(
        "COLLECTION", COLLECTION, "123456789/3", descriptive=field("title", title),
        administrative=roles(COLLECTION_ROLES) + metsrights(context("GENERAL PUBLIC")),
        inside=child("ITEM", "123456789/4", "ITEM@123456789-4.zip"), parent="123456789/2",
    )  # fmt: skip
    return zipped(folder / "COLLECTION@123456789-3.zip", {"mets.xml": document.encode()})


def an_item(folder: Path, name: str = "ITEM@123456789-4.zip", **changes: str | None) -> Path:
    """An item with a paper and its text. `changes` as of `composed.item`."""
    return zipped(folder / name, item_entries(**changes))


def world(folder: Path) -> Path:
    """All of it, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for make in (site, community, collection):
        make(folder)
    an_item(folder)
    return folder


__all__ = ["context", "field", "item", "item_entries", "metsrights", "techmd", "zipped"]
