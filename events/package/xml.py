"""Documents of packages, parsed within limits."""

from __future__ import annotations

from lxml import etree

from events.aip import markup
from events.errors import InvalidAip, InvalidPackage
from events.package.limits import Limits


def parsed(where: str, content: bytes, limits: Limits) -> etree._Element:
    """The root of a document of a package. Raises InvalidPackage for what is not well-formed, or refused."""
    marks = content.count(b"<") + content.count(b"=")
    if marks > limits.marks:
        raise InvalidPackage(f"{where}: {marks} elements and attributes refused: more than {limits.marks}")
    try:
        return markup.parse(content)
    except InvalidAip as error:
        raise InvalidPackage(f"{where}: {error}") from error
