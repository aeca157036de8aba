"""The archival information package: the object model, and METS, roles and registry documents to and from it."""

from events.aip.document import read, write
from events.aip.order import canonical

__all__ = ["canonical", "read", "write"]
