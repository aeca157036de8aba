"""The official path into a target: AIP packages through its own `dspace packager`, where its database is taboo."""
