"""What every row of an AIP is: values, in an order.

The order of the fields of a row class is the order of the columns of the facet of that name in `daemon.dspace.facets`.
"""

from __future__ import annotations

import msgspec


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row of a facet. Encoded as an array, so the order of fields is part of the format."""
