"""The archival information package: the object model, and METS, roles and registry documents to and from it."""
