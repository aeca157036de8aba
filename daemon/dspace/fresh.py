"""The rows of a freshly installed repository: registries, the site, two groups, one administrator.

Invariant: two installations never share a UUID unless one is asked for, and with different `shuffle` they give the
same names different ids. That is what a source and a target are to each other.
"""

from __future__ import annotations

import random
import secrets
import uuid as uuids
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- it is a class
from psycopg2.extras import execute_values

from daemon.dspace.cursors import AnyConnection, cursor_of
from daemon.dspace.registry import (
    CHECKSUM_RESULTS,
    ENTITY_TYPES,
    FIELDS,
    FIELDS_SINCE_10,
    FORMATS,
    MIGRATIONS,
    RELATIONSHIP_TYPES,
    SCHEMAS,
)
from daemon.dspace.tables import VERSIONS

SITE: Final = 5  # DSpace's constant of the object type, in resource_type_id
READ: Final = 0  # DSpace's constant of the action
KNOWN: Final = 1  # support level of a format; Unknown has 0
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Installed:
    """The UUIDs of what every repository has, in lower case with dashes."""

    site: str
    anonymous: str
    administrators: str
    admin: str
    prefix: str


def _shuffled(things: Sequence[Thing], shuffle: int) -> list[Thing]:
    result = list(things)
    if shuffle:
        random.Random(shuffle).shuffle(result)  # noqa: S311 -- an order, not a secret
    return result


def _ids(cursor: Cursor, sequence: str, names: Sequence[Thing]) -> dict[Thing, int]:
    """One number of the sequence for each name, in the order of the names."""
    cursor.execute("SELECT nextval(%s) FROM generate_series(1, %s)", (sequence, len(names)))
    return dict(zip(names, (row[0] for row in cursor.fetchall()), strict=True))


def _fields(version: int) -> list[tuple[str, str, str | None]]:
    names = [(schema, name) for schema, listed in FIELDS.items() for name in listed.split()]
    if version >= VERSIONS["10"]:
        names += [(schema, name) for schema, listed in FIELDS_SINCE_10.items() for name in listed.split()]
    return [(schema, element, qualifier or None) for schema, name in names
            for element, _, qualifier in [name.partition(".")]]


def _registries(cursor: Cursor, version: int, shuffle: int) -> dict[str, int]:
    """Fill the registries; gives the id of each metadata field by its name, `schema.element[.qualifier]`."""
    schemas = _ids(cursor, "metadataschemaregistry_seq", _shuffled(list(SCHEMAS), shuffle))
    execute_values(cursor, "INSERT INTO metadataschemaregistry (metadata_schema_id, namespace, short_id) VALUES %s",
                   [(key, SCHEMAS[name], name) for name, key in schemas.items()])
    fields = _ids(cursor, "metadatafieldregistry_seq", _shuffled(_fields(version), shuffle))
    execute_values(cursor, "INSERT INTO metadatafieldregistry (metadata_field_id, metadata_schema_id, element, "
                           "qualifier, scope_note) VALUES %s",
                   [(key, schemas[schema], element, qualifier, None if qualifier else f"{schema}: {element}")
                    for (schema, element, qualifier), key in fields.items()])

    formats = _ids(cursor, "bitstreamformatregistry_seq", _shuffled(FORMATS, shuffle))
    execute_values(cursor, "INSERT INTO bitstreamformatregistry (bitstream_format_id, mimetype, short_description, "
                           "description, support_level, internal) VALUES %s",
                   [(key, form.mimetype, form.name, f"Files of the format {form.name}",
                     0 if form.name == "Unknown" else KNOWN, form.internal) for form, key in formats.items()])
    extensions = [(key, extension) for form, key in formats.items() for extension in form.extensions.split()]
    execute_values(cursor, "INSERT INTO fileextension (file_extension_id, bitstream_format_id, extension) VALUES %s",
                   [(number, *pair) for pair, number in _ids(cursor, "fileextension_seq", extensions).items()])

    types = _ids(cursor, "entity_type_id_seq", _shuffled(ENTITY_TYPES, shuffle))
    execute_values(cursor, "INSERT INTO entity_type (id, label) VALUES %s",
                   [(key, label) for label, key in types.items()])
    relationships = _ids(cursor, "relationship_type_id_seq", _shuffled(RELATIONSHIP_TYPES, shuffle))
    execute_values(cursor, "INSERT INTO relationship_type (id, left_type, right_type, leftward_type, rightward_type, "
                           "left_min_cardinality, right_min_cardinality) VALUES %s",
                   [(key, types[left], types[right], leftward, rightward, 0, 0)
                    for (left, right, leftward, rightward), key in relationships.items()])

    execute_values(cursor, "INSERT INTO checksum_results (result_code, result_description) VALUES %s",
                   list(CHECKSUM_RESULTS.items()))
    return {".".join(filter(None, name)): key for name, key in fields.items()}


def _history(cursor: Cursor, version: int) -> None:
    """Flyway's history. Its scripts and checksums are not known here, and nobody but Flyway asks for them."""
    versions = [name for since, listed in MIGRATIONS if since <= version for name in listed.split()]
    versions.sort(key=lambda name: [int(part) for part in name.split(".")])
    execute_values(cursor, "INSERT INTO schema_version (installed_rank, version, description, type, script, "
                           "installed_by, execution_time, success) VALUES %s",
                   [(rank, name, "as migrated", "SQL", f"V{name}", "dspace", 1, True)
                    for rank, name in enumerate(versions, 1)])


def _people(cursor: Cursor, fields: Mapping[str, int], email: str, shuffle: int) -> dict[str, str]:
    """The two groups and the administrator; gives their UUIDs. The password is one that nobody knows."""
    found = {name: str(uuids.uuid4()) for name in ("Anonymous", "Administrator", "admin")}
    execute_values(cursor, "INSERT INTO dspaceobject (uuid) VALUES %s", [(key,) for key in found.values()])
    execute_values(cursor, "INSERT INTO epersongroup (uuid, name, permanent) VALUES %s",
                   [(found[name], name, True) for name in _shuffled(["Anonymous", "Administrator"], shuffle)])
    cursor.execute(
        "INSERT INTO eperson (uuid, email, can_log_in, require_certificate, self_registered, password, salt, "
        "digest_algorithm) VALUES (%s, %s, true, false, false, %s, %s, 'SHA-512')",
        (found["admin"], email.lower(), secrets.token_hex(64), secrets.token_hex(16)))
    cursor.execute("INSERT INTO epersongroup2eperson (eperson_group_id, eperson_id) VALUES (%s, %s)",
                   (found["Administrator"], found["admin"]))
    names = {"eperson.firstname": "Ada", "eperson.lastname": "Ministrator", "eperson.language": "en"}
    execute_values(cursor, "INSERT INTO metadatavalue (metadata_field_id, text_value, place, confidence, "
                           "dspace_object_id) VALUES %s",
                   [(fields[name], value, 0, -1, found["admin"]) for name, value in names.items()])
    return found


def _site(cursor: Cursor, site: str, prefix: str, anonymous: str) -> None:
    cursor.execute("INSERT INTO dspaceobject (uuid) VALUES (%s)", (site,))
    cursor.execute("INSERT INTO site (uuid) VALUES (%s)", (site,))
    cursor.execute("INSERT INTO handle (handle_id, handle, resource_type_id, resource_id) "
                   "VALUES (nextval('handle_id_seq'), %s, %s, %s)", (f"{prefix}/0", SITE, site))
    cursor.execute("INSERT INTO resourcepolicy (policy_id, resource_type_id, action_id, epersongroup_id, "
                   "dspace_object) "
                   "VALUES (nextval('resourcepolicy_seq'), %s, %s, %s, %s)", (SITE, READ, anonymous, site))


def install(
    connection: AnyConnection,
    version: str,
    *,
    admin_email: str = "admin@example.org",
    prefix: str = "123456789",
    site: str | None = None,
    shuffle: int = 0,
) -> Installed:
    """Fill the empty tables of `create_schema(connection, version)` in the caller's transaction; the caller commits.

    `prefix` is the handle prefix, `site` the site's UUID (a new one if None). Another `shuffle` gives other ids to
    the same registry entries; 0 keeps the order of the lists. Raises KeyError for an unknown version.
    """
    number = VERSIONS[version]
    site = str(uuids.UUID(site)) if site else str(uuids.uuid4())
    with cursor_of(connection) as cursor:
        fields = _registries(cursor, number, shuffle)
        _history(cursor, number)
        found = _people(cursor, fields, admin_email, shuffle)
        _site(cursor, site, prefix, found["Anonymous"])
    return Installed(site=site, anonymous=found["Anonymous"], administrators=found["Administrator"],
                     admin=found["admin"], prefix=prefix)
