"""References by name: packages that DSpace wrote name groups, people and containers, and seldom say their UUIDs."""

from __future__ import annotations

from events.aip.model import Kind, Uuid, derived_uuid


def reference(kind: Kind, name: str) -> Uuid:
    """The UUID that stands for an object of which only the name is known: a group, an e-mail address or a handle."""
    return derived_uuid(f"named/{kind}/{name}")
