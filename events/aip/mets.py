"""What writer and reader of METS AIP manifests share: profile, types, the ID of the extension (aip-format 2)."""

from __future__ import annotations

from typing import Final

from lxml import etree

from events.aip import markup
from events.aip.markup import METS
from events.aip.model import Kind
from events.errors import InvalidAip

PROFILE: Final = "http://www.dspace.org/schema/aip/mets_aip_1_0.xsd"
TYPES: Final[dict[Kind, str]] = {
    Kind.SITE: "SITE",
    Kind.COMMUNITY: "COMMUNITY",
    Kind.COLLECTION: "COLLECTION",
    Kind.ITEM: "ITEM",
}
EXTENSION_ID: Final = "amd_aipstream"
TEMPLATE_TYPE: Final = "DSpace ITEM Template"

_WRAP: Final = f"{{{METS}}}mdWrap"
_DATA: Final = f"{{{METS}}}xmlData"


def payload(section: etree._Element) -> etree._Element:
    """The element inside a metadata section's `mdWrap/xmlData`. Raises InvalidAip if there is not exactly one."""
    if len(section) == 1:
        wrap = section[0]
        if wrap.tag == _WRAP and len(wrap) == 1:
            content = wrap[0]
            if content.tag == _DATA and len(content) == 1:
                return content[0]
    raise InvalidAip(f"{markup.place(section)}: expected mdWrap/xmlData with one element inside")
