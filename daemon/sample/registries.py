"""Metadata fields, formats and entity types of the installation, by their names.

Invariant: what is there is used as it is; what is missing is created with the next number of its sequence, once.
"""

from __future__ import annotations

from typing import Final

from psycopg2.extensions import connection as Connection  # noqa: N812 - the class has a lower-case name there

ENTITY_TYPES: Final = ("Publication", "Person", "Project", "OrgUnit")

RELATIONSHIP_TYPES: Final[tuple[tuple[str, str, str, str, int | None, bool, int | None], ...]] = (
    ("Publication", "Person", "isAuthorOfPublication", "isPublicationOfAuthor", None, False, None),
    ("Publication", "Project", "isProjectOfPublication", "isPublicationOfProject", 5, True, 0),
    ("Person", "OrgUnit", "isOrgUnitOfPerson", "isPersonOfOrgUnit", None, False, 1),
    ("Publication", "Publication", "isReferencedBy", "references", None, False, 2),
)
"""Left and right type, both labels, greatest number on the left, copy_to_left, tilted."""


class Registries:
    """The registries of one installation. What it created is in the caller's transaction: `forget` after a rollback."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Read everything anew at the next question."""
        self._fields: dict[str, int] = {}
        self._formats: dict[str, int] = {}

    def field(self, name: str) -> int:
        """The id of `schema.element` or `schema.element.qualifier`; the field and its schema are made if missing."""
        if not self._fields:
            self._fields = self._numbers(
                "select min(f.metadata_field_id), concat_ws('.', s.short_id, f.element, f.qualifier) as name "
                "from metadatafieldregistry f join metadataschemaregistry s using (metadata_schema_id) group by 2"
            )
        if name not in self._fields:
            schema, element, *qualifier = name.split(".")
            self._fields[name] = self._one(
                "insert into metadatafieldregistry (metadata_field_id, metadata_schema_id, element, qualifier, "
                "scope_note) values (nextval('metadatafieldregistry_seq'), %s, %s, %s, null) "
                "returning metadata_field_id",
                self.schema(schema),
                element,
                qualifier[0] if qualifier else None,
            )
        return self._fields[name]

    def schema(self, name: str) -> int:
        """The id of a metadata schema, made if missing."""
        return self._found(
            "select metadata_schema_id from metadataschemaregistry where short_id = %s", name
        ) or self._one(
            "insert into metadataschemaregistry (metadata_schema_id, namespace, short_id) values "
            "(nextval('metadataschemaregistry_seq'), %s, %s) returning metadata_schema_id",
            f"http://example.org/ns/{name}/",
            name,
        )

    def format(self, short_description: str) -> int:
        """The id of a bitstream format, made (supported, with one extension) if missing."""
        if not self._formats:
            self._formats = self._numbers("select bitstream_format_id, short_description from bitstreamformatregistry")
        if short_description not in self._formats:
            extension = "".join(filter(str.isalnum, short_description.lower()))[:16]
            key = self._one(
                "insert into bitstreamformatregistry (bitstream_format_id, mimetype, short_description, description, "
                "support_level, internal) values (nextval('bitstreamformatregistry_seq'), %s, %s, %s, 2, false) "
                "returning bitstream_format_id",
                f"application/x-{extension}",
                short_description,
                f"The format {short_description}",
            )
            self._one(
                "insert into fileextension (file_extension_id, bitstream_format_id, extension) values "
                "(nextval('fileextension_seq'), %s, %s) returning file_extension_id",
                key,
                extension,
            )
            self._formats[short_description] = key
        return self._formats[short_description]

    def entity_type(self, label: str) -> int:
        """The id of an entity type, made if missing."""
        return self._found("select id from entity_type where label = %s", label) or self._one(
            "insert into entity_type (id, label) values (nextval('entity_type_id_seq'), %s) returning id", label
        )

    def relationship_type(self, leftward: str) -> int:
        """The id of one of `RELATIONSHIP_TYPES` by its first label, made (with its entity types) if missing."""
        left, right, _, rightward, left_max, copy_left, tilted = next(
            row for row in RELATIONSHIP_TYPES if row[2] == leftward
        )
        pair = self.entity_type(left), self.entity_type(right)
        return self._found(
            "select id from relationship_type where left_type = %s and right_type = %s and leftward_type = %s",
            *pair,
            leftward,
        ) or self._one(
            "insert into relationship_type (id, left_type, right_type, leftward_type, rightward_type, "
            "left_min_cardinality, left_max_cardinality, right_min_cardinality, right_max_cardinality, copy_to_left, "
            "copy_to_right, tilted) values (nextval('relationship_type_id_seq'), %s, %s, %s, %s, 0, %s, null, null, "
            "%s, false, %s) returning id",
            *pair,
            leftward,
            rightward,
            left_max,
            copy_left,
            tilted,
        )

    def _numbers(self, sql: str) -> dict[str, int]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return {name: key for key, name in cursor.fetchall()}

    def _found(self, sql: str, *values: object) -> int | None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            row = cursor.fetchone()
        return None if row is None else int(row[0])

    def _one(self, sql: str, *values: object) -> int:
        key = self._found(sql, *values)
        assert key is not None  # noqa: S101 - an insert with returning has a row
        return key
