"""Registries, upserted by natural key, and tombstones of handles and DOIs.

Invariants:

* A registry row is never deleted: the target's own configuration files bring its own ones back at each migration
  (dspace-database, pitfall 31). Only the extensions of a listed format are made equal.
* A tombstone never takes a handle or DOI from an object of the same batch, nor the site's handle from the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daemon.target.native.sets import PLAIN, Writer, multiset
from daemon.target.native.stage import Stage
from events.aip.model import Aip

_RENAMED_SCHEMAS: Final = """
WITH changed AS (
  UPDATE metadataschemaregistry t SET short_id = w.short_id FROM put_schema w
  WHERE t.namespace = w.namespace AND t.short_id <> w.short_id
    AND NOT EXISTS (SELECT FROM metadataschemaregistry o WHERE o.short_id = w.short_id) RETURNING 1)
SELECT 0, (SELECT count(*) FROM changed), 0"""
"""Namespaces are unique: a schema of that namespace is that schema, and is called now as on the source."""

_SCHEMAS: Final = """
WITH changed AS (
  UPDATE metadataschemaregistry t SET namespace = w.namespace FROM put_schema w
  WHERE t.short_id = w.short_id AND t.namespace IS DISTINCT FROM w.namespace RETURNING 1),
made AS (
  INSERT INTO metadataschemaregistry (metadata_schema_id, short_id, namespace)
  SELECT nextval('metadataschemaregistry_seq'), w.short_id, w.namespace FROM put_schema w
  WHERE NOT EXISTS (SELECT FROM metadataschemaregistry t WHERE t.short_id = w.short_id) RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), 0"""

_FIELDS: Final = """
WITH wanted AS (
  SELECT DISTINCT ON (s.metadata_schema_id, w.element, w.qualifier) s.metadata_schema_id, w.element, w.qualifier,
    w.scope_note
  FROM put_field w JOIN metadataschemaregistry s ON s.short_id = w.schema
  ORDER BY s.metadata_schema_id, w.element, w.qualifier, w.scope_note),
changed AS (
  UPDATE metadatafieldregistry t SET scope_note = w.scope_note FROM wanted w
  WHERE t.metadata_schema_id = w.metadata_schema_id AND t.element IS NOT DISTINCT FROM w.element
    AND nullif(t.qualifier, '') IS NOT DISTINCT FROM w.qualifier AND t.scope_note IS DISTINCT FROM w.scope_note
      RETURNING 1),
made AS (
  INSERT INTO metadatafieldregistry (metadata_field_id, metadata_schema_id, element, qualifier, scope_note)
  SELECT nextval('metadatafieldregistry_seq'), w.metadata_schema_id, w.element, w.qualifier, w.scope_note FROM wanted w
  WHERE NOT EXISTS (
    SELECT FROM metadatafieldregistry t WHERE t.metadata_schema_id = w.metadata_schema_id
      AND t.element IS NOT DISTINCT FROM w.element AND nullif(t.qualifier, '') IS NOT DISTINCT FROM w.qualifier)
        RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), 0"""

_FORMATS: Final = """
WITH changed AS (
  UPDATE bitstreamformatregistry t
    SET mimetype = w.mimetype, description = w.description, support_level = w.support_level,
    internal = w.internal
  FROM put_format w WHERE t.short_description = w.short_description
    AND (t.mimetype, t.description, t.support_level, t.internal)
    IS DISTINCT FROM (w.mimetype, w.description, w.support_level, w.internal) RETURNING 1),
made AS (
  INSERT INTO bitstreamformatregistry (bitstream_format_id, short_description, mimetype, description, support_level,
    internal)
  SELECT nextval('bitstreamformatregistry_seq'), w.short_description, w.mimetype, w.description, w.support_level,
    w.internal
  FROM put_format w
  WHERE NOT EXISTS (SELECT FROM bitstreamformatregistry t WHERE t.short_description = w.short_description) RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), 0"""

_EXTENSIONS: Final = multiset(
    "fileextension",
    key="file_extension_id",
    sequence="fileextension_seq",
    owner="bitstream_format_id",
    stage="""(SELECT t.bitstream_format_id, w.extension FROM put_extension w
              JOIN bitstreamformatregistry t ON t.short_description = w.short_description)""",
    scope="""(SELECT t.bitstream_format_id AS uuid FROM put_format w
              JOIN bitstreamformatregistry t ON t.short_description = w.short_description)""",
    same={"bitstream_format_id": PLAIN, "extension": PLAIN},
    where="t.extension IS NOT NULL",
)

_ENTITY_TYPES: Final = """
INSERT INTO entity_type (id, label) SELECT nextval('entity_type_id_seq'), w.label FROM put_entity_type w
WHERE NOT EXISTS (SELECT FROM entity_type t WHERE t.label = w.label)"""

_RULES: Final = (
    "left_min_cardinality",
    "left_max_cardinality",
    "right_min_cardinality",
    "right_max_cardinality",
    "copy_to_left",
    "copy_to_right",
    "tilted",
)

_RELATIONSHIP_TYPES: Final = f"""
WITH wanted AS (
  SELECT l.id AS left_type, r.id AS right_type, w.* FROM put_relationship_type w
  JOIN entity_type l ON l.label = w.left_label JOIN entity_type r ON r.label = w.right_label),
changed AS (
  UPDATE relationship_type t SET {", ".join(f"{rule} = w.{rule}" for rule in _RULES)} FROM wanted w
  WHERE (t.left_type, t.right_type, t.leftward_type, t.rightward_type)
      = (w.left_type, w.right_type, w.leftward_type, w.rightward_type)
    AND ({", ".join(f"t.{rule}" for rule in _RULES)}) IS DISTINCT FROM ({", ".join(f"w.{rule}" for rule in _RULES)})
      RETURNING 1),
made AS (
  INSERT INTO relationship_type (id, left_type, right_type, leftward_type, rightward_type, {", ".join(_RULES)})
  SELECT nextval('relationship_type_id_seq'), w.left_type, w.right_type, w.leftward_type, w.rightward_type,
         {", ".join(f"w.{rule}" for rule in _RULES)}
  FROM wanted w WHERE NOT EXISTS (
    SELECT FROM relationship_type t WHERE (t.left_type, t.right_type, t.leftward_type, t.rightward_type)
      = (w.left_type, w.right_type, w.leftward_type, w.rightward_type)) RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), 0"""

_STATEMENTS: Final = (
    ("put_schema", "metadataschemaregistry", _RENAMED_SCHEMAS),
    ("put_schema", "metadataschemaregistry", _SCHEMAS),
    ("put_field", "metadatafieldregistry", _FIELDS),
    ("put_format", "bitstreamformatregistry", _FORMATS),
    ("put_format", "fileextension", _EXTENSIONS),
    ("put_entity_type", "entity_type", _ENTITY_TYPES),
    ("put_relationship_type", "relationship_type", _RELATIONSHIP_TYPES),
)

_HANDLE_TOMBSTONES: Final = """
WITH wanted AS (
  SELECT DISTINCT ON (identifier) * FROM put_tombstone w WHERE scheme = 'handle'
    AND NOT EXISTS (SELECT FROM put_handle p WHERE p.handle = w.identifier)),
changed AS (
  UPDATE handle t SET resource_id = NULL, resource_type_id = w.type, resource_legacy_id = w.legacy_id FROM wanted w
  WHERE t.handle = w.identifier AND NOT EXISTS (SELECT FROM site s WHERE s.uuid = t.resource_id)
    AND (t.resource_id IS NOT NULL OR (t.resource_type_id, t.resource_legacy_id) IS DISTINCT FROM (w.type, w.legacy_id))
  RETURNING 1),
made AS (
  INSERT INTO handle (handle_id, handle, resource_type_id, resource_legacy_id)
  SELECT nextval('handle_id_seq'), w.identifier, w.type, w.legacy_id FROM wanted w
  WHERE NOT EXISTS (SELECT FROM handle t WHERE t.handle = w.identifier) RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), 0"""

_DOI_TOMBSTONES: Final = """
WITH wanted AS (
  SELECT DISTINCT ON (identifier) * FROM put_tombstone w WHERE scheme = 'doi'
    AND NOT EXISTS (SELECT FROM put_doi p WHERE p.doi = w.identifier)),
changed AS (
  UPDATE doi t SET dspace_object = NULL, resource_type_id = w.type, resource_id = w.legacy_id, status = w.status
    FROM wanted w
  WHERE t.doi = w.identifier AND (t.dspace_object IS NOT NULL OR (t.resource_type_id, t.resource_id, t.status)
    IS DISTINCT FROM (w.type, w.legacy_id, w.status)) RETURNING 1),
made AS (
  INSERT INTO doi (doi_id, doi, resource_type_id, resource_id, status)
  SELECT nextval('doi_seq'), w.identifier, w.type, w.legacy_id, w.status FROM wanted w
  WHERE NOT EXISTS (SELECT FROM doi t WHERE t.doi = w.identifier) RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), 0"""


def write_registries(writer: Writer, stage: Stage, registries: Sequence[Aip]) -> None:
    """Bring what those registry documents list into the registries. Loads the staged rows by itself."""
    for aip in registries:
        for schema in aip.schemas:
            stage.add("put_schema", schema.name, schema.namespace)
        for field in aip.fields:
            stage.add("put_field", field.schema, field.element, field.qualifier, field.scope_note)
        for format_ in aip.formats:
            stage.add(
                "put_format",
                format_.short_description,
                format_.mimetype,
                format_.description,
                format_.support,
                format_.internal,
            )
            for extension in format_.extensions:
                stage.add("put_extension", format_.short_description, extension)
        for entity in aip.entity_types:
            stage.add("put_entity_type", entity.label)
        for row in aip.relationship_types:
            stage.add(
                "put_relationship_type",
                row.left_type,
                row.right_type,
                row.leftward,
                row.rightward,
                row.left_min,
                row.left_max,
                row.right_min,
                row.right_max,
                row.copy_to_left,
                row.copy_to_right,
                row.tilted,
            )
    stage.load(writer.cursor)
    for staged, table, sql in _STATEMENTS:
        if stage.has(staged):
            writer.run(table, sql)


def write_tombstones(writer: Writer, stage: Stage) -> None:
    """Make sure that the staged identifiers are there and name no object; after the handles and DOIs of objects."""
    if stage.has("put_tombstone"):
        writer.run("handle", _HANDLE_TOMBSTONES)
        writer.run("doi", _DOI_TOMBSTONES)
