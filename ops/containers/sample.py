"""Makes what compose.yaml has to watch: two sample repositories, one full and one empty, and the bucket for blobs.

Run again, it leaves what is there. The assetstores belong to the account of the image of aipstream.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

import psycopg2

from daemon.dspace.fresh import install
from daemon.dspace.tables import create_schema
from daemon.sample.generator import generate

VERSION = "9"
SHUFFLE = 7
"""The target numbers its registries otherwise than the source, as two real installations do."""


def main(server: str, assetstores: Path, bucket: Path, owner: int, items: int = 300) -> None:
    """`server` is a DSN of the database `source`; the database `target` is made beside it."""
    with closing(psycopg2.connect(server)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'target'")
            if cursor.fetchone() is None:
                cursor.execute("CREATE DATABASE target")
    for name, shuffle in (("source", 0), ("target", SHUFFLE)):
        folder = assetstores / name
        folder.mkdir(parents=True, exist_ok=True)
        with closing(psycopg2.connect(server, dbname=name)) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT to_regclass('public.item') IS NOT NULL")
                if cursor.fetchone() == (True,):
                    continue
            create_schema(connection, VERSION)
            install(connection, VERSION, shuffle=shuffle)
            connection.commit()
            if name == "source":
                generate(connection, folder, items=items, seed=1)
                connection.commit()
    bucket.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        for path in (assetstores, *assetstores.rglob("*")):
            os.chown(path, owner, owner)


if __name__ == "__main__":
    main(
        "postgresql://dspace@postgres:5432/source", Path("/assetstores"), Path("/buckets/aipstream"),
        int(os.environ.get("OWNER", "1000")),
    )  # fmt: skip
    print("sample: ready", file=sys.stderr)
