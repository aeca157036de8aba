"""The kinds of losses, by code: what it is called, why it happens, and what would carry it.

Invariant: every difference that `daemon.losses.compare` can find has its code here; `other` is for what nobody thought
of, and a test demands that it never occurs.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Code(NamedTuple):
    """One kind of loss, in words for people. `carried` says what would carry it."""

    title: str
    why: str
    carried: str


NATIVE: Final = "driver `native`"
_NEVER: Final = "driver `native`; our own packages keep it, but stock DSpace does not read it"

CODES: Final[dict[str, Code]] = {
    # objects that do not arrive at all
    "withdrawn": Code("withdrawn items", "stock leaves them out of an export, and would publish them", NATIVE),
    "not-archived": Code("superseded versions", "stock would publish them as items of the archive", NATIVE),
    "drafts": Code("items being submitted or reviewed", "stock packages only items of the archive",
                   "driver `native` with `[source] drafts = true`"),
    "no-handle": Code("objects without a handle", "stock finds what it restores by the handle", NATIVE),
    "no-owner": Code("items without an owning collection", "stock restores an item into its collection", NATIVE),
    "nameless": Code("people and groups without a name", "stock finds people by address, groups by name", NATIVE),
    "registries": Code("registries of fields, formats, entity types", "a package holds none",
                       "driver `native`; driver `packager`, which loads them by DSpace's own commands"),
    "tombstones": Code("handles and DOIs of deleted objects", "a package is of an object that is there", NATIVE),
    "empty-files-stop": Code("items with an empty file", "this release's export fails on a file of no bytes", NATIVE),
    "deletion": Code("deletions", "stock has no command that deletes it", "driver `native`, or by hand"),
    # of any object
    "legacy-ids": Code("numbers from before DSpace 6", "a package has no place for them",
                       "driver `native`; our own packages keep those of containers, items and files"),
    "handles": Code("further handles of an object", "a package names one handle", _NEVER),
    "handle": Code("another handle than before", "stock finds the object by its old handle and keeps that", NATIVE),
    "dois": Code("DOIs and the state of their registration", "a package has no place for them", _NEVER),
    "subscriptions": Code("subscriptions", "a package has no place for them", _NEVER),
    "policy-type": Code("types of policies", "a restore gives all one type (TYPE_CUSTOM)", _NEVER),
    "policy-description": Code("descriptions of policies", "METSRIGHTS has no place for them", _NEVER),
    "policy-action": Code("actions of workflow and withdrawal", "METSRIGHTS has no words for them: stock restores a "
                          "policy that permits nothing", _NEVER),
    "policy-person": Code("the person of a policy that also names a group", "METSRIGHTS names one of them", _NEVER),
    "policies": Code("policies", "their group or person has no name, or their date is none that DSpace parses", NATIVE),
    "added-policies": Code("policies that a restore adds", "DSpace's own defaults for what the package leaves open",
                           NATIVE),
    # metadata
    "text": Code("white space and control characters", "DSpace trims what a restore adds, and makes blanks of control "
                 "characters; no text at all becomes an empty one", _NEVER),
    "language": Code("the language `*`", "DSpace takes it for any language and stores none", _NEVER),
    "places": Code("gaps in the numbering of values", "values are numbered anew in their order", _NEVER),
    "authority": Code("authorities", "a restore keeps them only for fields that the target's authority.cfg controls",
                      "driver `native`, or a target with the same authorities"),
    "confidence": Code("confidences without an authority", "DIM has no place for them", _NEVER),
    "security": Code("security levels of values", "only DSpace 10 has them; elsewhere a restricted value is left out",
                     "driver `native` into DSpace 10"),
    "virtual": Code("values stored as derived from relationships", "stock derives them and stores none", NATIVE),
    "identifier-uri": Code("links in dc.identifier.uri", "a restore takes all links of handles away and adds the "
                           "preferred one at the end", _NEVER),
    "item-metadata": Code("metadata of items", "DIM cannot say the field or the value", _NEVER),
    "added-title": Code("a title `Untitled` that was not there", "stock refuses an item without a dc.title", NATIVE),
    "added-provenance": Code("provenance and dates of the restore, added", "DSpace notes every restore in the metadata",
                             NATIVE),
    "added-values": Code("values that a restore adds", "DSpace's own defaults", NATIVE),
    "container-metadata": Code("further metadata of communities and collections", "a package holds eight fields of a "
                               "collection, six of a community, one value of each; so entity types are lost", _NEVER),
    "container-languages": Code("languages of communities' and collections' metadata", "stock writes none", _NEVER),
    "site-metadata": Code("metadata of the site", "stock restores none", _NEVER),
    "site-policies": Code("policies of the site", "stock restores none", _NEVER),
    "person-metadata": Code("metadata of people but names and language", "DSPACE-ROLES has no place for it", NATIVE),
    "group-metadata": Code("metadata of groups", "DSPACE-ROLES has no place for it", NATIVE),
    # items
    "discoverable": Code("private items", "a package does not say it: restored items are discoverable", _NEVER),
    "last-modified": Code("dates of last modification", "a restore sets the date to now", _NEVER),
    "submitter": Code("submitters", "the item has none, or one without a name: who runs the packager becomes it",
                      _NEVER),
    "moved": Code("moves to another collection or community", "stock never moves what is there", NATIVE),
    "unmapped": Code("mappings that were taken away", "stock only adds mappings", NATIVE),
    "reinstated": Code("reinstatements", "stock never reinstates an item", "driver `native`, or by hand"),
    "parents": Code("further parents", "stock restores a community or collection into one parent", _NEVER),
    "relationships": Code("relationships between items", "a package has no place for them", _NEVER),
    "versions": Code("histories of versions", "a package has no place for them", _NEVER),
    "added-versions": Code("histories that a restore begins", "a handle that ends in `.2` makes a history of one",
                           NATIVE),
    "harvest": Code("harvesting: settings of collections, records of items", "a package has no place for it", _NEVER),
    "workflow": Code("submissions, reviews and their tasks", "a package has no place for them", _NEVER),
    "state": Code("whether an item is archived or withdrawn", "a restored item is archived", NATIVE),
    # files
    "bundle-uuid": Code("UUIDs of bundles", "a restore makes new ones", _NEVER),
    "bitstream-uuid": Code("UUIDs of files: links to downloads break", "a restore makes new ones", _NEVER),
    "bundle-metadata": Code("metadata of bundles but the name", "a package has no place for it", _NEVER),
    "bundles-merged": Code("bundles of one name in one item", "a restore makes one bundle of them", _NEVER),
    "bundles": Code("bundles", "the package cannot state them", NATIVE),
    "bitstream-metadata": Code("metadata of files but name, source and description", "AIP-TECHMD has no place for it",
                               _NEVER),
    "bitstream-name": Code("a name for files without one", "a restore names them after their place in the package",
                           NATIVE),
    "user-format": Code("a user's own description of a format", "a restore clears it", _NEVER),
    "bitstream-facts": Code("numbers, formats or checksums of files", "the target's registry or numbering differs",
                            NATIVE),
    "primary": Code("the primary file of other bundles than ORIGINAL", "a package names one", _NEVER),
    "order": Code("legacy orders of files", "a package has no place for them", _NEVER),
    "empty-files": Code("files of no bytes", "this release's restore passes over them", _NEVER),
    "files": Code("files", "the package cannot state them", NATIVE),
    "added-licence": Code("a deposit licence that was not there",
                          "DSpace adds the collection's to an item that has none", NATIVE),
    "format": Code("formats that are not registered", "the file stands with the format Unknown",
                   "the registry's own event"),
    # containers
    "logo-facts": Code("name, format and number of logos", "a package holds the logo's content only", _NEVER),
    "logo-uuid": Code("UUIDs of logos", "a restore makes new ones", _NEVER),
    "logo-policies": Code("policies of logos", "a restore copies the right to read from the container", _NEVER),
    "template-facts": Code("state and dates of template items", "a restore makes a new one", _NEVER),
    "template-uuid": Code("UUIDs of template items", "a restore makes new ones", _NEVER),
    "template-policies": Code("policies of template items", "a package has no place for them", _NEVER),
    "template-files": Code("files of template items", "a package has no place for them", _NEVER),
    "templates": Code("template items", "stock restores a template only with a new collection", NATIVE),
    "role-links": Code("groups of administrators and submitters", "the group is there, but without its role",
                       "driver `native`; driver `packager`"),
    "workflow-roles": Code("groups of workflow roles", "the group is there, but without its role",
                           "driver `native`; driver `packager` for the default workflow's three steps"),
    # people and groups
    "person-uuid": Code("UUIDs of people", "stock makes new ones, and finds people by address", _NEVER),
    "group-uuid": Code("UUIDs of groups", "stock makes new ones, and finds groups by name", _NEVER),
    "netid": Code("netids of people who have an address", "stock reads the netid only where there is no address",
                  _NEVER),
    "passwords": Code("passwords", "the password of an account is not captured, so a restore clears it",
                      "`[people] passwords = true`"),
    "person-facts": Code("frequency of subscriptions, unset flags", "DSPACE-ROLES has no place for them", NATIVE),
    "group-facts": Code("the mark of permanent groups", "DSPACE-ROLES has no place for it", NATIVE),
    "members": Code("members of groups", "they have no name that stock could find them by", NATIVE),
    "renamed": Code("new names of people and groups", "stock finds them by name: the old one stays beside", NATIVE),
    # of an import
    "import": Code("what packages name and the repository has not", "it is of somebody or something that is not there, "
                   "or is said in words that cannot be read; the line of the object tells",
                   "an import of the packages that bring it first; packages of ours"),
    # of the native driver
    "site-handle": Code("a handle that is the target site's own", "an object of the target has it", "nothing"),
    "other": Code("something else", "nobody has thought of it: please report it", NATIVE),
}  # fmt: skip
