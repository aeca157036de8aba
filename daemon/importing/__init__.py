"""Packages into the log, or straight into a target: stock AIPs, our own, and bags of the Replication Task Suite."""
