"""Empty repositories of every version, from the dumps of real migrations or from our own tables."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg2

from daemon.dspace.tables import VERSIONS, create_schema
from daemon.scratch import Cluster
from tests.conftest import SHARED

DUMPS = {"7.6": "schema-7.6.6.sql", "8": "schema-8.4.sql", "9": "schema-9.3.sql", "10": "schema-10.0.sql"}
HAS_DUMPS = (SHARED / "data" / DUMPS["10"]).exists()


def load(dsn: str, script: Path) -> None:
    """Run an SQL script by psql, stopping at the first error."""
    quiet = {**os.environ, "PGOPTIONS": "-c client_min_messages=error"}
    done = subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", str(script)],
                          text=True, check=False, capture_output=True, env=quiet)
    assert done.returncode == 0, done.stderr


def real(cluster: Cluster, database: str, version: str) -> str:
    """The DSN of a new database as DSpace's own migrations leave it."""
    dsn = cluster.create(database)
    load(dsn, SHARED / "data" / DUMPS[version])
    return dsn


def ours(cluster: Cluster, database: str, version: str) -> str:
    """The DSN of a new database with the tables that we define."""
    assert version in VERSIONS
    dsn = cluster.create(database)
    connection = psycopg2.connect(dsn)
    try:
        create_schema(connection, version)
        connection.commit()
    finally:
        connection.close()
    return dsn
