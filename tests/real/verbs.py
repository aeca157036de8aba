"""Edits through DSpace's own services, at least one with each verb of `rig-edit`, in an order that works.

`{name}` stands for a handle: of what `Home.seed` made, or of what an edit before it made and printed.
Each is one transaction of DSpace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.real.rig import Editor

EDITS: Final = r"""
# metadata of items
metadata {rich} dc.title "Another title"
addvalue {rich} dc.subject en "Łódź — \ 図書館"
addvalue {rich} dc.subject - second
addvalue {rich} dc.contributor.author - "Curie, Marie" rig-authority-9 600
movevalue {rich} dc.subject 1 0
delvalue {rich} dc.subject second
metadata {hidden} dc.description.abstract
metadata {rich}#first.txt dc.description "about the file"
metadata {rich}!ORIGINAL dc.description "about the bundle"
metadata site dc.description "about the site"
metadata {top} dc.description "About the top"
metadata {articles} dc.rights "All of them"
# states
withdraw {empty}
reinstate {withdrawn}
discoverable {hidden} true
submitter {hidden} ada@example.org
# structure
move {mapped} {theses} {works}
map {hidden} {theses}
unmap {hidden} {theses}
map {plain1} {articles}
# files
addbitstream {hidden} ORIGINAL more.bin 5000
addbitstream {hidden} ORIGINAL third.bin 10
order {hidden} ORIGINAL third.bin hidden.txt more.bin
primary {hidden} ORIGINAL more.bin
primary {mapped} ORIGINAL -
format {hidden} third.bin "Text"
delbitstream {rich} zero.bin
newbundle {hidden} EXTRA
movebitstream {hidden} third.bin EXTRA
newbundle {hidden} GONE
addbitstream {hidden} GONE gone.bin 20
delbundle {hidden} GONE
# access
policy {hidden} more.bin 2098-01-01
allow {hidden} READ group:Staff 2030-01-01 2040-12-31 "a name" TYPE_CUSTOM "a description"
allow {rich} WRITE person:bo@example.org
allow {theses} DEFAULT_ITEM_READ group:Editors
forbid {mapped} READ
# identifiers
handle {hidden} 123456789/extra
doi {rich} doi:10.5072/rig-1 3
unbind {plain1}
# new ones
newitem {articles} 2
newversion {next}
summary {next} "no third thoughts"
draft {articles} "In progress"
draft {articles} "Soon installed"
install {draft}
draft {articles} "Thrown away"
deldraft {draft}
# relationships
newitem {authors} 1
metadata {newitem} dspace.entity.type Person
relate {work} isAuthorOfPublication isPublicationOfAuthor {newitem}
relplace {work} isAuthorOfPublication isPublicationOfAuthor {newitem} 0 -
unrelate {work} isAuthorOfPublication isPublicationOfAuthor {author}
# containers
newcommunity - "Second top"
newcommunity {newcommunity} "Inner"
newcollection {newcommunity} "Fresh"
logo {newcollection} 300
logo {newcollection} 400
logo {articles} -
logo {top} 800
template {newcollection} dc.publisher "Rig Press"
template {newcollection} dc.language de en
deltemplate {articles}
license {newcollection} "You may."
newrole {newcollection} admin
newrole {newcollection} submit
newrole {newcollection} reviewer
newrole {newcommunity} admin
delrole {newcollection} submit
delrole {articles} reviewer
harvest {newcollection} 2 http://example.org/oai set:1 dc
reparent {newcollection} {newcommunity} {below}
reparent {newcommunity} - {below}
reparent {lowest} {below} -
reparent {lowest} - {top}
newcollection {below} "Harvested, then not"
harvest {newcollection} 1 http://example.org/oai set:2 dc
delharvest {newcollection}
delete {newcollection}
# people
newperson dee@example.org "Dée" "Dupont"
newperson eve@example.org
email eve@example.org eve@example.net
netid eve@example.net eve1
password eve@example.net secret
login dee@example.org false
metadata person:dee@example.org eperson.phone 555-1
newgroup Readers
metadata group:Readers dc.description "those who read"
renamegroup Readers Listeners
group add Listeners dee@example.org
group add Editors bo@example.org
group remove Editors ada@example.org
subgroup add Listeners Staff
subgroup add Anonymous Listeners
subgroup remove Anonymous Listeners
newgroup Short
group add Short eve@example.net
delgroup Short
subscribe bo@example.org {articles} W
subscribe ada@example.org {top} D
unsubscribe ada@example.org {top}
delperson zoe@example.org
# registries
field rig http://example.org/rig shelf row
scopenote rig.shelf.mark "where it stands"
field odd http://example.org/odd strange
metadata {rich} odd.strange value
metadata {rich} odd.strange
delfield odd.strange
delschema odd
newformat "Rig format" application/x-rig 1 rig rg
format {hidden} third.bin "Rig format"
extensions "Rig format" rig
newformat "No format" application/x-none 0 none
delformat "No format"
entitytype Journal
reltype Journal Publication isPublicationOfJournal isJournalOfPublication
# deletions
delversion {old}
delete {plain0}
delete {authors}
"""


def edits_of(edit: Editor, edits: str = EDITS) -> Iterator[str]:
    """Carry the edits out one by one, yielding each after its commit."""
    for line in edits.splitlines():
        if line and not line.startswith("#"):
            edit(line)
            yield line
