"""The registry of bitstream formats, known by their short description, and the file extensions of each."""

from __future__ import annotations

from daemon.dspace.tables.words import Definer, boolean, index, integer, text, varchar

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("bitstreamformatregistry",
      integer("bitstream_format_id", key=True),
      varchar("mimetype", 256),
      varchar("short_description", 128, unique=True),
      text("description"),
      integer("support_level"),
      boolean("internal"))

    t("fileextension",
      integer("file_extension_id", key=True),
      integer("bitstream_format_id", to="bitstreamformatregistry.bitstream_format_id"),
      varchar("extension", 16),
      index("fe_bitstream_fk_idx", "bitstream_format_id"))
