"""What the registries of a fresh DSpace hold, as facts: names, namespaces, MIME types, file extensions.

Invariant: names are unique within their registry, so that they can stand for the ids, which differ everywhere.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class FormatFact(NamedTuple):
    """A bitstream format: short description, MIME type, file extensions; `internal` ones are not offered to people."""

    name: str
    mimetype: str
    extensions: str = ""
    internal: bool = False


SCHEMAS: Final[dict[str, str]] = {
    "dc": "http://dublincore.org/documents/dcmi-terms/",
    "eperson": "http://dspace.org/eperson",
    "dspace": "http://dspace.org/dspace",
    "dcterms": "http://purl.org/dc/terms/",
    "local": "http://dspace.org/namespace/local/",
    "relation": "http://dspace.org/relation",
    "person": "https://schema.org/Person",
    "project": "https://schema.org/Project",
    "organization": "https://schema.org/Organization",
    "periodical": "https://schema.org/Periodical",
    "creativework": "https://schema.org/CreativeWork",
    "creativeworkseries": "https://schema.org/CreativeWorkSeries",
    "publicationissue": "https://schema.org/PublicationIssue",
    "publicationvolume": "https://schema.org/PublicationVolume",
    "oaire": "http://namespace.openaire.eu/schema/oaire/",
    "datacite": "http://datacite.org/schema/kernel-4",
    "iiif": "http://dspace.org/iiif",
    "workflow": "http://www.dspace.org/workflow",
}
"""Short id and namespace of each metadata schema."""

_RELATIONS: Final = (
    "isAuthorOfPublication isContributorOfPublication isFundingAgencyOfProject isIssueOfJournalVolume "
    "isJournalIssueOfPublication isJournalOfPublication isJournalOfVolume isJournalVolumeOfIssue "
    "isOrgUnitOfPerson isOrgUnitOfProject isOrgUnitOfPublication isPersonOfOrgUnit isPersonOfProject "
    "isProjectOfFundingAgency isProjectOfOrgUnit isProjectOfPerson isProjectOfPublication "
    "isPublicationOfAuthor isPublicationOfContributor isPublicationOfJournalIssue isPublicationOfOrgUnit "
    "isPublicationOfProject isVolumeOfJournal "
)

FIELDS: Final[dict[str, str]] = {
    "dc": (
        "contributor contributor.advisor contributor.author contributor.editor contributor.illustrator "
        "contributor.other coverage.spatial coverage.temporal creator date date.accessioned date.available "
        "date.copyright date.created date.issued date.submitted date.updated description description.abstract "
        "description.provenance description.sponsorship description.statementofresponsibility "
        "description.tableofcontents description.uri description.version format format.extent format.medium "
        "format.mimetype identifier identifier.citation identifier.doi identifier.govdoc identifier.isbn "
        "identifier.ismn identifier.issn identifier.other identifier.scopus identifier.sici identifier.slug "
        "identifier.uri language language.iso language.rfc3066 provenance publisher relation relation.haspart "
        "relation.hasversion relation.isbasedon relation.isformatof relation.ispartof relation.ispartofseries "
        "relation.isreferencedby relation.isreplacedby relation.isversionof relation.replaces relation.requires "
        "relation.uri rights rights.holder rights.license rights.uri source source.uri subject "
        "subject.classification subject.ddc subject.lcc subject.lcsh subject.mesh subject.other title "
        "title.alternative type"
    ),
    "eperson": "firstname language lastname orcid orcid.scope phone",
    "dspace": (
        "accessibility.settings agreements.cookies agreements.end-user entity.type iiif.enabled object.owner "
        "orcid.authenticated orcid.scope orcid.sync-fundings orcid.sync-mode orcid.sync-profile "
        "orcid.sync-publications process.filetype"
    ),
    "dcterms": (
        "abstract accessRights accrualMethod accrualPeriodicity accrualPolicy alternative audience available "
        "bibliographicCitation conformsTo contributor coverage created creator date dateAccepted dateCopyrighted "
        "dateSubmitted description educationLevel extent format hasFormat hasPart hasVersion identifier "
        "instructionalMethod isFormatOf isPartOf isReferencedBy isReplacedBy isRequiredBy isVersionOf issued "
        "language license mediator medium modified provenance publisher references relation replaces requires "
        "rights rightsHolder source spatial subject tableOfContents temporal title type valid"
    ),
    "relation": " ".join(f"{name} {name}.latestForDiscovery" for name in _RELATIONS.split()),
    "person": (
        "affiliation.name birthDate country email familyName givenName identifier identifier.ciencia-id "
        "identifier.gsid identifier.isni identifier.orcid identifier.rid identifier.scopus-author-id jobTitle "
        "knowsLanguage name.translated name.variant telephone"
    ),
    "project": "amount amount.currency endDate funder.identifier funder.name investigator startDate",
    "organization": (
        "address.addressCountry address.addressLocality foundingDate identifier identifier.crossrefid "
        "identifier.isni identifier.rin identifier.ror legalName"
    ),
    "creativework": "datePublished editor keywords publisher",
    "creativeworkseries": "issn",
    "publicationissue": "issueNumber",
    "publicationvolume": "volumeNumber",
    "oaire": (
        "awardNumber awardTitle awardURI citation.conferenceDate citation.conferencePlace citation.edition "
        "citation.endPage citation.issue citation.startPage citation.title citation.volume fundingStream version"
    ),
    "datacite": "geoLocation subject.fos",
    "iiif": "canvas.naming description image.height image.width label search.enabled toc viewing.hint",
    "workflow": "review score",
}
"""`element` or `element.qualifier` of each field, by schema, separated by blanks."""

FIELDS_SINCE_10: Final[dict[str, str]] = {
    "dspace": "customurl bitstream.hasCopies bitstream.isCopyOf bitstream.isReplacedBy bitstream.isReplacementOf",
}
"""Some of those that came with DSpace 10."""

# fmt: off
FORMATS: Final = (
    FormatFact("Unknown", "application/octet-stream"),
    FormatFact("License", "text/plain; charset=utf-8", internal=True),
    FormatFact("CC License", "text/html; charset=utf-8", internal=True),
    FormatFact("Adobe PDF", "application/pdf", "pdf"),
    FormatFact("XML", "text/xml", "xml"),
    FormatFact("Text", "text/plain", "txt asc"),
    FormatFact("HTML", "text/html", "htm html"),
    FormatFact("CSS", "text/css", "css"),
    FormatFact("CSV", "text/csv", "csv"),
    FormatFact("WebVTT", "text/vtt", "vtt"),
    FormatFact("Microsoft Word", "application/msword", "doc"),
    FormatFact("Microsoft Word XML", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    FormatFact("Microsoft Powerpoint", "application/vnd.ms-powerpoint", "ppt"),
    FormatFact("Microsoft Powerpoint XML",
               "application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
    FormatFact("Microsoft Excel", "application/vnd.ms-excel", "xls"),
    FormatFact("Microsoft Excel XML", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    FormatFact("MARC", "application/marc"),
    FormatFact("JPEG", "image/jpeg", "jpeg jpg jfif"),
    FormatFact("GIF", "image/gif", "gif"),
    FormatFact("PNG", "image/png", "png"),
    FormatFact("TIFF", "image/tiff", "tiff tif"),
    FormatFact("JPEG2000", "image/jp2", "jp2"),
    FormatFact("AIFF", "audio/x-aiff", "aiff aif aifc"),
    FormatFact("audio/basic", "audio/basic", "au snd"),
    FormatFact("WAV", "audio/x-wav", "wav"),
    FormatFact("MPEG", "video/mpeg", "mpeg mpg mpe"),
    FormatFact("RTF", "text/richtext", "rtf"),
    FormatFact("Microsoft Visio", "application/vnd.visio", "vsd"),
    FormatFact("FMP3", "application/x-filemaker", "fm"),
    FormatFact("BMP", "image/x-ms-bmp", "bmp"),
    FormatFact("Photoshop", "application/x-photoshop", "psd pdd"),
    FormatFact("Postscript", "application/postscript", "ps eps ai"),
    FormatFact("Video Quicktime", "video/quicktime", "mov qt"),
    FormatFact("Video MP4", "video/mp4", "mp4"),
    FormatFact("Video OGG", "video/ogg", "ogg"),
    FormatFact("Video WEBM", "video/webm", "webm"),
    FormatFact("MPEG Audio", "audio/x-mpeg", "mpa abs mpega"),
    FormatFact("Microsoft Project", "application/vnd.ms-project", "mpp mpx mpd"),
    FormatFact("Mathematica", "application/mathematica", "ma"),
    FormatFact("LateX", "application/x-latex", "latex"),
    FormatFact("TeX", "application/x-tex", "tex"),
    FormatFact("TeX dvi", "application/x-dvi", "dvi"),
    FormatFact("SGML", "application/sgml", "sgm sgml"),
    FormatFact("WordPerfect", "application/wordperfect5.1", "wpd"),
    FormatFact("RealAudio", "audio/x-pn-realaudio", "ra ram"),
    FormatFact("Photo CD", "image/x-photo-cd", "pcd"),
    FormatFact("OpenDocument Text", "application/vnd.oasis.opendocument.text", "odt"),
)
# fmt: on

ENTITY_TYPES: Final = ("none", "Publication", "Person", "OrgUnit", "Project")
"""A fresh DSpace has only the first; the others are DSpace's standard model of entities."""

RELATIONSHIP_TYPES: Final = (
    ("Publication", "Person", "isAuthorOfPublication", "isPublicationOfAuthor"),
    ("Publication", "Project", "isProjectOfPublication", "isPublicationOfProject"),
    ("Publication", "OrgUnit", "isOrgUnitOfPublication", "isPublicationOfOrgUnit"),
    ("Person", "Project", "isProjectOfPerson", "isPersonOfProject"),
    ("Person", "OrgUnit", "isOrgUnitOfPerson", "isPersonOfOrgUnit"),
    ("Project", "OrgUnit", "isOrgUnitOfProject", "isProjectOfOrgUnit"),
)
"""Left type, right type, leftward label, rightward label."""

CHECKSUM_RESULTS: Final[dict[str, str]] = {
    "INVALID_HISTORY": "the history was begun before it could be trusted",
    "BITSTREAM_NOT_FOUND": "the file is missing",
    "CHECKSUM_MATCH": "as before",
    "CHECKSUM_NO_MATCH": "not as before",
    "CHECKSUM_PREV_NOT_FOUND": "no earlier checksum to compare with",
    "BITSTREAM_INFO_NOT_FOUND": "nothing is known of the bitstream",
    "CHECKSUM_ALGORITHM_INVALID": "unknown checksum algorithm",
    "BITSTREAM_NOT_PROCESSED": "excluded from checks",
    "BITSTREAM_MARKED_DELETED": "the bitstream is marked as deleted",
}
"""The result codes of the checksum checker; the descriptions are our own."""

MIGRATIONS: Final = (
    (7, ("7.0.2017.10.12 7.0.2018.04.03 7.0.2018.04.16 7.0.2018.06.07 7.0.2019.05.02 7.0.2019.06.14 7.0.2019.07.31 "
         "7.0.2019.11.13 7.0.2020.01.08 7.0.2020.10.31 7.0.2021.01.22 7.0.2021.02.08 7.0.2021.03.18 7.0.2021.09.24 "
         "7.0.2021.10.04 7.1.2021.10.18 7.3.2022.04.29 7.3.2022.05.16 7.3.2022.06.16 7.3.2022.06.20 7.5.2022.12.01 "
         "7.5.2022.12.06 7.5.2022.12.09 7.5.2022.12.15 7.6.2023.03.17 7.6.2023.03.24 7.6.2023.03.29 7.6.2023.04.19 "
         "7.6.2023.09.28 7.6.2023.10.12 7.6.2024.03.07 7.6.2024.05.07 7.6.2024.12.17 7.6.2025.10.29")),
    (8, "7.6.2026.03.25 8.0.2023.08.07 8.0.2024.02.14 8.4.2026.03.28"),
    (9, "9.0.2024.11.09 9.0.2025.02.13 9.0.2025.03.12"),
    (10, "10.0.2026.01.07 10.0.2026.02.18"),
)  # fmt: skip
"""The versions in Flyway's history since 7.0, by the major version (7 is 7.6) whose history has them first."""
