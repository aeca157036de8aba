from __future__ import annotations

from lxml import etree

from events.aip.model import Aip, Kind
from events.errors import InvalidAip


def read(root: etree._Element, kind: Kind) -> Aip:
    raise InvalidAip("stock")
