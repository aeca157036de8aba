"""Packages as stock DSpace 7.6 to 10 writes them, and bags of the Replication Task Suite: composed after aip-format."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from events.aip import markup
from events.aip.mets import PROFILE
from tests.events.aip.test_stock import context, dim, field, rights, wrap

SITE, COMMUNITY, COLLECTION, ITEM = (f"1b0c6d0e-0000-4000-8000-00000000000{digit}" for digit in "1234")
PAPER, EXTRACT, LOGO = (f"2b0c6d0e-0000-4000-8000-00000000000{digit}" for digit in "123")
JO, AL, STAFF, SUBMIT, ADMIN = (f"3b0c6d0e-0000-4000-8000-00000000000{digit}" for digit in "12345")

PDF = b"%PDF-1.4 a paper"
TEXT = b"its words"
PNG = b"\x89PNG a logo"


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def premis(size: int, checksum: str, name: str) -> str:
    return (
        f'<techMD ID="techMD_{name}"><mdWrap MDTYPE="PREMIS"><xmlData xmlns:premis="{markup.PREMIS}"><premis:premis>'
        "<premis:object><premis:objectCharacteristics><premis:fixity><premis:messageDigestAlgorithm>MD5"
        f"</premis:messageDigestAlgorithm><premis:messageDigest>{checksum}</premis:messageDigest></premis:fixity>"
        f"<premis:size>{size}</premis:size><premis:format><premis:formatDesignation><premis:formatName>text/x-premis"
        "</premis:formatName></premis:formatDesignation></premis:format></premis:objectCharacteristics>"
        f"<premis:originalName>{name}</premis:originalName></premis:object></premis:premis></xmlData></mdWrap></techMD>"
    )


def amd(identity: str, *sections: str) -> str:
    return f'<amdSec ID="{identity}">{"".join(sections)}</amdSec>\n'


def file(
    identity: str, entry: str, content: bytes, *, size: int | None = None, checksum: str | None = None, more: str = ""
) -> str:
    size = len(content) if size is None else size
    checksum = md5(content) if checksum is None else checksum
    stated = f' CHECKSUM="{checksum}" CHECKSUMTYPE="MD5"' if checksum else ""
    return (
        f'<file ID="{identity}" SIZE="{size}"{stated}{more}>'
        f'<FLocat LOCTYPE="URL" xlink:type="simple" xlink:href="{entry}"/></file>'
    )


def child(kind: str, handle: str | None, package: str | None) -> str:
    inner = f'<mptr LOCTYPE="HANDLE" xlink:href="{handle}"/>' if handle else ""
    inner += f'<mptr LOCTYPE="URL" xlink:href="{package}"/>' if package else ""
    return f'<div TYPE="DSpace {kind}">{inner}</div>'


def parent_link(handle: str | None) -> str:
    if handle is None:
        return ""
    return (
        '<structMap LABEL="Parent" TYPE="LOGICAL"><div TYPE="AIP Parent Link">'
        f'<mptr LOCTYPE="HANDLE" xlink:href="{handle}"/></div></structMap>'
    )


def manifest(
    kind: str,
    uuid: str,
    handle: str | None,
    *,
    descriptive: str = "",
    template: str = "",
    administrative: str = "",
    sections: str = "",
    files: str = "",
    inside: str = "",
    parent: str | None = None,
    identity: str | None = None,
    version: str | None = None,
) -> str:
    """A manifest of stock DSpace; the parts are XML. `version` is `dim/@itemVersion`, as version 10 writes it."""
    itself = f' itemVersion="{version}"' if version else ""
    described = f'<dim:dim dspaceType="{kind}"{itself}>{descriptive}</dim:dim>'
    objid = f"hdl:{handle}" if handle else f"DSpace_DB_{kind}_{uuid}"
    return (
        f'<?xml version="1.0" encoding="utf-8" standalone="no"?>\n'
        f'<mets ID="{identity or f"DSpace_{kind}_DB-ID-{uuid}"}" OBJID="{objid}" TYPE="DSpace {kind}"'
        f' PROFILE="{PROFILE}" xmlns="{markup.METS}" xmlns:xlink="{markup.XLINK}">\n'
        '<metsHdr LASTMODDATE="2026-03-01T09:30:00"/>\n'
        f"{wrap('dmdSec', 'dmdSec_2', 'DIM', described)}\n"
        f"{wrap('dmdSec', 'dmdSec_3', 'DIM', dim(template)) if template else ''}"
        f"{amd('amd_4', administrative)}{sections}"
        f"{f'<fileSec>{files}</fileSec>' if files else ''}"
        '<structMap ID="struct_5" LABEL="DSpace Object" TYPE="LOGICAL"><div ID="div_6" DMDID="dmdSec_2" ADMID="amd_4"'
        f' TYPE="DSpace Object Contents">{inside}</div></structMap>{parent_link(parent)}</mets>'
    )


def roles(content: str) -> str:
    """As inside METS: without a prefix, so in the namespace of METS."""
    return (
        '<techMD ID="techMD_roles"><mdWrap MDTYPE="OTHER" OTHERMDTYPE="DSPACE-ROLES">'
        '<xmlData xmlns:dsroles="http://www.dspace.org/xmlns/dspace/dspace-roles">'
        f"<DSpaceRoles>{content}</DSpaceRoles></xmlData></mdWrap></techMD>"
    )


def techmd(*fields: str) -> str:
    return wrap("sourceMD", "sourceMD_7", "AIP-TECHMD", dim(*fields))


def metsrights(*contexts: str) -> str:
    return wrap("rightsMD", "rightsMD_8", "METSRIGHTS", rights(*contexts))


def bitstream_amd(identity: str, name: str, content: bytes, medium: str | None, media: str) -> str:
    facts = [field("title", name)]
    if medium:
        facts += [
            field("format.medium", medium),
            field("format.mimetype", media),
            field("format.supportlevel", "SUPPORTED"),
            field("format.internal", "false"),
        ]
    return amd(
        identity, premis(len(content), md5(content), name), metsrights(context("GENERAL PUBLIC")), techmd(*facts)
    )


def item(**changes: str | None) -> str:
    """An item with a paper and its text, mapped to a second collection."""
    parts: dict[str, str | None] = {
        "descriptive": field("title", "A title", ' lang="en"') + field("contributor.author", "Doe, Jo"),
        "administrative": metsrights(context("GENERAL PUBLIC"))
        + techmd(field("creator", "jo@example.org"), field("relation.isReferencedBy", "hdl:123456789/9")),
        "sections": amd("amd_bundle", metsrights(context("MANAGED GRP", "Staff")))
        + bitstream_amd("amd_paper", "paper.pdf", PDF, "Adobe PDF", "application/pdf")
        + bitstream_amd("amd_text", "paper.pdf.txt", TEXT, "Text", "text/plain"),
        "files": '<fileGrp ADMID="amd_bundle" USE="ORIGINAL">'
        + file(f"bitstream_{PAPER}", f"bitstream_{PAPER}.pdf", PDF, more=' SEQ="1" ADMID="amd_paper"')
        + '</fileGrp><fileGrp USE="TEXT">'
        + file(f"bitstream_{EXTRACT}", f"bitstream_{EXTRACT}.txt", TEXT, more=' SEQ="2" ADMID="amd_text"')
        + "</fileGrp>",
        "inside": f'<fptr FILEID="bitstream_{PAPER}"/>',
        "parent": "123456789/3",
        **changes,
    }
    return manifest("ITEM", ITEM, "123456789/4", **parts)  # type: ignore[arg-type]


def item_entries(**changes: str | None) -> dict[str, bytes]:
    """The entries of that item's package."""
    return {
        "mets.xml": item(**changes).encode(),
        f"bitstream_{PAPER}.pdf": PDF,
        f"bitstream_{EXTRACT}.txt": TEXT,
    }


def zipped(path: Path, entries: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip of these entries, in their order."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 3, 1, 9, 30, 0)), content, compression)
    return path


def bag_entries(payload: Mapping[str, bytes], root: str = "bag/", algorithm: str = "md5") -> dict[str, bytes]:
    """The files of a bag with that payload, by their names below `data/`."""
    lines = "".join(f"{hashlib.new(algorithm, text).hexdigest()}  data/{name}\n" for name, text in payload.items())
    tags = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": (
            "BagIt-Profile-Identifier: https://example.org/btr-bagit-profile.json\n"
            f"Payload-Oxum: {sum(map(len, payload.values()))}.{len(payload)}\n"
        ).encode(),
        f"manifest-{algorithm}.txt": lines.encode(),
    }
    listed = "".join(f"{hashlib.new(algorithm, text).hexdigest()}  {name}\n" for name, text in tags.items())
    tags[f"tagmanifest-{algorithm}.txt"] = listed.encode()
    return {f"{root}{name}": text for name, text in tags.items()} | {
        f"{root}data/{name}": text for name, text in payload.items()
    }


def tarred(path: Path, entries: Mapping[str, bytes], kind: int = tarfile.USTAR_FORMAT, gzipped: bool = True) -> Path:
    """A tar of these entries, with the folders that they need."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=kind) as archive:
        for folder in sorted({name.rpartition("/")[0] for name in entries if "/" in name}):
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    path.write_bytes(gzip.compress(plain.getvalue()) if gzipped else plain.getvalue())
    return path


def properties(**said: str) -> bytes:
    """`object.properties`."""
    return "".join(f"{key}  {value}\n" for key, value in said.items()).encode()


def values(rows: Iterable[str]) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<metadata>{"".join(rows)}</metadata>'.encode()


def named(**said: str) -> bytes:
    """A document of values that have only a name."""
    return values(f'<value name="{name}">{text}</value>' for name, text in said.items())


def policies(*rows: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><policies>{"".join(rows)}</policies>'.encode()


def item_payload() -> dict[str, bytes]:
    """The payload of the bag of an item with two files."""
    return {
        "object.properties": properties(
            bagType="AIP",
            objectType="item",
            objectId="123456789/4",
            ownerId="123456789/3",
            otherIds="123456789/9,123456789/8",
        ),
        "metadata.xml": values(
            [
                '<value schema="dc" element="title" language="en">A title</value>',
                '<value schema="dc" element="contributor" qualifier="author">Doe, Jo</value>',
                '<value schema="dc" element="contributor" qualifier="author">Roe, Al</value>',
            ]
        ),
        "policy.xml": policies(
            '<policy action="READ" group="ANONYMOUS" type="TYPE_INHERITED" description="as above"/>'
        ),
        f"ORIGINAL/bitstream_{PAPER}.pdf": PDF,
        f"ORIGINAL/bitstream_{PAPER}-metadata.xml": named(
            name="paper.pdf",
            source="/upload/paper.pdf",
            description="The paper",
            sequence_id="2",
            bundle_primary="true",
        ),
        f"ORIGINAL/bitstream_{PAPER}-policy.xml": policies(
            '<policy action="READ" eperson="jo@example.org" start-date="2027-01-01" name="embargo"/>'
        ),
        f"ORIGINAL/bitstream_{EXTRACT}.xml": TEXT,
        f"ORIGINAL/bitstream_{EXTRACT}-metadata.xml": named(name="a.xml", sequence_id="1"),
        f"ORIGINAL/bitstream_{EXTRACT}-policy.xml": policies(),
    }
