"""The whole tool with its contents in these clouds."""

from __future__ import annotations

from tests.real.buckets.whole_way import WholeWay


class TestWholeWay(WholeWay):
    """In a container of Azure and a bucket of Google."""
