"""The package on top of a run: a SITE manifest that names other packages, so that one JVM loads many of them.

The stock packager with `-a` first replaces the object of the given package, then every package that its structMap
points to, in that order and whatever their types (aip-format 4.3, 4.7). Replacing a site touches nothing but the
groups and people that the manifest holds: its metadata, logo and policies are not the packager's business.

Invariant: one run is one transaction of DSpace. So all packages of a run are loaded, or none of them is.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from events.aip import markup
from events.aip.markup import DIM, METS, XLINK
from events.aip.mets import PROFILE
from events.aip.model import Aip
from events.aip.roles import combined

NAME: Final = "run.zip"


def write(path: Path, site: str, packages: Sequence[str], roles: Iterable[Aip] = ()) -> None:
    """Write a SITE package that names `packages` (files beside it) and holds those people and groups."""
    listed = "".join(
        f'<div TYPE="DSpace ITEM"><mptr LOCTYPE="URL" xlink:type="simple" xlink:href="{markup.quoted(name)}"/></div>'
        for name in packages
    )
    people = combined(roles).decode().partition("?>")[2].strip()
    described = f'<dmdSec ID="dmd"><mdWrap MDTYPE="OTHER" OTHERMDTYPE="DIM"><xmlData><dim:dim xmlns:dim="{DIM}"'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "mets.xml",
            f'{markup.DECLARATION}<mets xmlns="{METS}" xmlns:xlink="{XLINK}" ID="DSpace_SITE" TYPE="DSpace SITE"'
            f' OBJID="hdl:{markup.quoted(site)}" PROFILE="{PROFILE}">'
            f'{described} dspaceType="SITE"/></xmlData></mdWrap></dmdSec>'
            '<amdSec ID="amd"><techMD ID="roles"><mdWrap MDTYPE="OTHER" OTHERMDTYPE="DSPACE-ROLES"><xmlData>'
            f"{people}</xmlData></mdWrap></techMD></amdSec>"
            '<structMap TYPE="LOGICAL"><div TYPE="DSpace Object Contents" DMDID="dmd" ADMID="amd">'
            f"{listed}</div></structMap></mets>",
        )
