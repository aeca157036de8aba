"""The document of an AIP: `write` and `read`, whatever the object is.

| kind                              | document                                       |
|-----------------------------------|------------------------------------------------|
| site, community, collection, item | METS AIP manifest (`mets_out`, `mets_in`)      |
| person, group                     | DSPACE-ROLES (`roles`)                         |
| registry                          | DSpace's own registry vocabularies (`registry`) |
| tombstone                         | an `as:aip` of our own: DSpace has no word     |

Invariant: `read(write(aip)) == canonical(aip)`, and equal AIPs give equal bytes.
"""

from __future__ import annotations

from typing import Any, Final

from events.aip import extension, markup, mets, mets_in, mets_out, registry, roles
from events.aip.model import Aip, Kind
from events.aip.order import assembled, canonical
from events.errors import InvalidAip

_METS: Final = f"{{{markup.METS}}}mets"


def write(aip: Aip, *, producer: str = "aipstream") -> bytes:
    """The document of an AIP, in UTF-8. `producer` stands in the METS header and in nothing else."""
    aip = canonical(aip)
    kind = aip.kind
    if kind in mets.TYPES:
        document = mets_out.write(aip, producer)
    elif kind is Kind.PERSON or kind is Kind.GROUP:
        document = roles.write(aip)
    elif kind is Kind.REGISTRY:
        document = registry.write(aip)
    else:
        out = [markup.DECLARATION]
        extension.whole(aip, {}, out, namespace=True)
        document = "".join(out)
    return document.encode()


def read(document: bytes) -> Aip:
    """The canonical AIP of a document.

    Raises InvalidAip, naming what and where: not well-formed, a DOCTYPE, an unknown kind of document, missing
    attributes, and values that are not of their type.
    """
    root = markup.parse(document)
    tag = root.tag
    if tag == _METS:
        return mets_in.read(root)
    if tag == extension.WHOLE:
        kind, uuid, key = extension.identity(root)
        into: dict[str, list[Any]] = {}
        extension.read_rows(root, uuid, into)
        return assembled(kind, uuid, key, into)
    if tag in registry.ROOTS:
        return registry.read(root)
    if markup.local(root) == roles.ROOT:
        return roles.read(root)
    raise InvalidAip(f"{markup.place(root)}: not the root of an AIP document")
