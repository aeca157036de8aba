"""What the packages of a real DSpace say, without what only one installation knows.

Two exports of the same repository give the same statements, whatever DSpace numbered or ordered by its integer ids.
The elements that METS ties together by identifiers are written out where they are referred to, so a statement about
a file holds its rights and its checksum. Left out: identifiers that are counted, the name of the software, the names
of groups' members (their UUIDs stay; some versions write e-mail addresses, others full names), and the UUIDs of what
every installation makes for itself (the site, the groups Anonymous and Administrator). Left out as well: the address
of a file in the user interface, which some versions make of its UUID and others of its handle and number; and the order
of elements: it follows from integer ids where it is not stored, and `Home.read` states it where it is.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from lxml import etree

REFERENCES: Final = ("ADMID", "DMDID", "FILEID")
OWN: Final = ("Anonymous", "Administrator")


def statements(folder: Path) -> dict[str, list[str]]:
    """For each package of the folder, by the type and handle (or UUID) of its object: what it says, sorted."""
    said = {}
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as package:
            root = etree.fromstring(package.read("mets.xml"))
            contents = [
                f"entry {info.filename} {info.file_size} {info.CRC:08x}"
                for info in package.infolist()
                if info.filename != "mets.xml"
            ]
        said[f"{root.get('TYPE')} {root.get('OBJID') or root.get('ID')}"] = sorted(_manifest(root) + contents)
    return said


def _manifest(root: etree._Element) -> list[str]:
    known = {element.get("ID"): element for element in root.iter() if element.get("ID")}
    referred = {word for element in root.iter() for name in REFERENCES for word in element.get(name, "").split()}
    kind = root.get("TYPE", "")
    head = f"{kind} {'' if kind == 'DSpace SITE' else root.get('ID')} {root.get('OBJID')} {root.get('PROFILE')}"
    return [head, *(_written(child, known) for child in root if child.get("ID") not in referred)]


def _written(element: etree._Element, known: dict[str | None, etree._Element]) -> str:
    """An element with everything in it and everything that it refers to, on one line."""
    tag = etree.QName(element).localname
    if tag == "agent" and element.get("ROLE") == "CREATOR":
        return "<agent CREATOR>"
    if tag == "objectIdentifierValue":
        return f"<{tag}>"
    words = []
    for name in sorted(map(str, element.keys())):
        value = element.get(name, "")
        if name in REFERENCES:
            words += [f"{name}={_written(known[word], known)}" for word in value.split()]
        elif not _counted(tag, name, element):
            words.append(f"{name}={value}")
    children = sorted(_written(child, known) for child in element if isinstance(child.tag, str))
    text = (element.text or "") if not children else ""
    return f"<{' '.join([tag, *words])}>{text}{''.join(children)}"


def _counted(tag: str, name: str, element: etree._Element) -> bool:
    """Whether the attribute says nothing about the object."""
    if tag in ("Group", "MemberGroup") and name == "ID":
        return element.get("Name") in OWN
    if tag == "Member":
        return name == "Name"
    return name == "ID" and tag not in ("Person", "file", "MemberGroup", "Group")
