"""The METS schema, for tests alone: `errors(document)` says where a manifest is not valid.

The two XSDs come with a package that `make test` installs (`ops/schemas.lock`); nothing is fetched from elsewhere.
Inside `xmlData` the schema is lax: it looks only at what it knows, as the METS profile of DSpace wants it.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from lxml import etree

from events.aip import markup
from events.errors import PreconditionError

METS = "mets.xsd"
XLINK = "xlink.xsd"
SECTIONS = frozenset(
    ("mets", "dmdSec", "amdSec", "techMD", "rightsMD", "sourceMD", "digiprovMD", "fileGrp", "file", "structMap", "div",
     "fptr", "mptr")
)  # fmt: skip
"""The elements that METS gives IDs and references: what stands in xmlData has a meaning of its own."""
XSD = "http://www.w3.org/2001/XMLSchema"


def folder() -> Path:
    """Where the XSDs lie. Raises PreconditionError if they are not installed."""
    found = importlib.util.find_spec("eark_validator")
    if found is None or not found.submodule_search_locations:
        raise PreconditionError(
            "the METS schema is not installed",
            "make test installs it; by hand: pip install --no-deps --require-hashes -r ops/schemas.lock",
        )
    return Path(found.submodule_search_locations[0]) / "ipxml" / "resources" / "schema"


@cache
def mets() -> etree.XMLSchema:
    """The schema, compiled once; the address that it has for XLink's is turned to the file beside it."""
    tree = etree.parse(str(folder() / METS), etree.XMLParser(no_network=True))
    for found in tree.getroot().iterchildren(f"{{{XSD}}}import"):
        found.set("schemaLocation", str(folder() / XLINK))
    return etree.XMLSchema(tree)


def errors(document: bytes) -> list[str]:
    """What is not valid in a METS document, with its line; empty if it is valid."""
    root = etree.fromstring(document, etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True))
    schema = mets()
    schema.validate(root)
    return [f"{error.line}: {error.message}" for error in schema.error_log] + _references(root)


def _references(root: etree._Element) -> list[str]:
    """IDs that are there twice, and references to one that is not: the XML library does not look for either."""
    found, seen = [], set()
    elements = [element for element in root.iter(f"{{{markup.METS}}}*") if etree.QName(element).localname in SECTIONS]
    for element in elements:
        identity = element.get("ID")
        if identity in seen:
            found.append(f"{element.sourceline}: ID {identity} is there twice")
        if identity is not None:
            seen.add(identity)
    return found + [
        f"{element.sourceline}: {name} {reference} leads nowhere"
        for element in elements
        for name in ("ADMID", "DMDID", "FILEID")
        for reference in (element.get(name) or "").split()
        if reference not in seen
    ]
