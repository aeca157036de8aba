"""People and groups in packages: a restore into an empty repository finds every group that it needs in time."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from pathlib import Path

from lxml import etree

from daemon.export.packages import Packages
from daemon.export.run import Choice, export
from tests.daemon.export.composed import SITE, Repository, uuid_of

METS = "{http://www.loc.gov/METS/}"
RIGHTS = "{http://cosimo.stanford.edu/sdr/metsrights/}"


def name_of(kind: str, number: int, rest: str) -> str:
    return f"{kind}_{uuid_of(number)}_{rest}"


class Restore:
    """What `packager -r -a -f` does with the groups, for a repository that has two groups and an administrator."""

    def __init__(self) -> None:
        self.groups: dict[str, set[str]] = {"Administrator": set(), "Anonymous": set()}
        self.people: set[str] = {"admin@example.org"}
        self.made: set[str] = {"1/0"}
        self.linked: dict[tuple[str, str], str] = {}
        self.policies: dict[str, list[str]] = defaultdict(list)

    def resolves(self, name: str) -> bool:
        """Whether the container that a group is named after is there."""
        return "_hdl:" not in name or name.split("_hdl:")[1].split("_")[0] in self.made

    def __call__(self, folder: Path, name: str) -> None:
        with zipfile.ZipFile(folder / name) as package:
            root = etree.fromstring(package.read("mets.xml"))
        handle = root.get("OBJID").removeprefix("hdl:")
        self.made.add(handle)
        for person in root.iter(f"{METS}Person"):
            known = person.findtext(f"{METS}Email") or person.findtext(f"{METS}Netid")
            assert known, "EPerson has neither email nor netid"
            self.people.add(known)
        groups = [group for group in root.iter(f"{METS}Group") if self.resolves(group.get("Name"))]
        for group in groups:
            called = group.get("Name")
            assert called
            if called not in self.groups and group.get("Type"):
                self.linked[handle, group.get("Type")] = called
            self.groups[called] = {member.get("Name") for member in group.iter(f"{METS}Member")}
            assert self.groups[called] <= self.people, "not found, not added"
        for group in groups:
            for member in group.iter(f"{METS}MemberGroup"):
                assert self.resolves(member.get("Name")), "Unable to translate Handle to Internal ID"
                assert member.get("Name") in self.groups, "null group"
                self.groups[group.get("Name")].add(member.get("Name"))
        for context in root.iter(f"{RIGHTS}Context"):
            user = context.findtext(f"{RIGHTS}UserName")
            assert user is None or user in self.groups or user in self.people, f"policy of unknown {user}"
            self.policies[handle].append(user or "Anonymous")
        main = next(root.iter(f"{METS}structMap"))
        for pointer in main.iter(f"{METS}mptr"):
            if pointer.get("LOCTYPE") == "URL":
                self(folder, pointer.get("{http://www.w3.org/1999/xlink}href"))


def restore(repository: Repository, folder: Path) -> tuple[Restore, dict[str, tuple[str, ...]]]:
    packages: Packages = repository.packages(roots=(SITE,))
    done = export(packages, Choice((SITE,)), folder)
    assert not done.refused
    run = Restore()
    run(folder, "SITE@1-0.zip")
    return run, {each.path.name: each.left_out for each in done.noted}


def test_every_membership_arrives_in_an_empty_repository(repository: Repository, tmp_path: Path) -> None:
    """Also where a general group has groups of containers as members, and containers' groups have each other."""
    jo = repository.person(100, "jo@example.org")
    first = repository.group(101, name_of("COLLECTION", 3, "SUBMIT"), people=(jo,))
    admins = repository.group(102, name_of("COMMUNITY", 1, "ADMIN"))
    last = repository.group(103, name_of("COLLECTION", 4, "ADMIN"), groups=(first, admins))
    repository.group(102, name_of("COMMUNITY", 1, "ADMIN"), groups=(last, first))
    repository.group(104, "Everybody", people=(jo,), groups=(last, first, admins))
    repository.group(105, "Editors", groups=(uuid_of(104),))
    repository.community(1, admin=admins)
    repository.collection(3, 1, submitters=first)
    repository.collection(4, 1, admin=last)
    run, notes = restore(repository, tmp_path / "packages")
    submit, admin, later = "COLLECTION_hdl:1/3_SUBMIT", "COMMUNITY_hdl:1/1_ADMIN", "COLLECTION_hdl:1/4_ADMIN"
    assert run.groups["Everybody"] == {"jo@example.org", submit, admin, later}
    assert run.groups["Editors"] == {"Everybody"}
    assert run.groups[submit] == {"jo@example.org"}
    assert run.groups[admin] == {later, submit}
    assert run.groups[later] == {submit, admin}
    assert run.linked == {("1/1", "ADMIN"): admin, ("1/3", "SUBMIT"): submit, ("1/4", "ADMIN"): later}
    assert notes == {}


def test_a_group_with_a_number_in_its_name_is_its_containers(repository: Repository, tmp_path: Path) -> None:
    """`COLLECTION_12_SUBMIT` is what a repository has that was once DSpace 5."""
    group = repository.group(101, "COLLECTION_12_SUBMIT")
    other = repository.group(102, "COLLECTION_99_SUBMIT")
    repository.community(1)
    repository.collection(3, 1, submitters=group, legacy=12)
    run, _ = restore(repository, tmp_path / "packages")
    assert run.linked == {("1/3", "SUBMIT"): "COLLECTION_hdl:1/3_SUBMIT"}
    assert "COLLECTION_99_SUBMIT" in run.groups, f"{other} is nobody's"


def test_a_group_of_a_container_whose_handle_stock_cannot_split_comes_with_it(
    repository: Repository, tmp_path: Path
) -> None:
    """It keeps its UUID for a name; made with the site's package it would never be linked to its role."""
    group = repository.group(101, name_of("COLLECTION", 3, "ADMIN"))
    repository.community(1)
    repository.collection(3, 1, admin=group, handle="1/a_b")
    run, _ = restore(repository, tmp_path / "packages")
    assert run.linked == {("1/a_b", "ADMIN"): name_of("COLLECTION", 3, "ADMIN")}


def test_a_policy_for_a_group_that_comes_later_is_left_out_and_told(repository: Repository, tmp_path: Path) -> None:
    """Stock DSpace rolls the whole run back at a group that it does not find."""
    group = repository.group(101, name_of("COLLECTION", 4, "SUBMIT"))
    anonymous = repository.group(102, "Anonymous")
    repository.community(1, policies=(group, anonymous))
    repository.collection(3, 1, policies=(group,))
    repository.collection(4, 1, submitters=group, policies=(group,))
    repository.item(10, 3, policies=(group,))
    repository.item(11, 4, policies=(group,))
    run, notes = restore(repository, tmp_path / "packages")
    assert run.policies == {
        "1/1": ["Anonymous"], "1/4": ["COLLECTION_hdl:1/4_SUBMIT"], "1/11": ["COLLECTION_hdl:1/4_SUBMIT"],
    }  # fmt: skip
    assert set(notes) == {"COMMUNITY@1-1.zip", "COLLECTION@1-3.zip", "ITEM@1-10.zip"}
    assert all("1 policy left out for stock DSpace" in note for told in notes.values() for note in told)


def test_whom_stock_would_stop_at_is_left_out_and_told(repository: Repository, tmp_path: Path) -> None:
    """A person with no name to log in by, a member without an e-mail address, a group without a name."""
    nobody = repository.person(100, None)
    by_netid = repository.person(101, None, netid="jo")
    repository.group(102, "Staff", people=(nobody, by_netid))
    repository.group(103, None)
    run, notes = restore(repository, tmp_path / "packages")
    assert "jo" in run.people
    assert run.groups["Staff"] == set()
    assert notes == {"SITE@1-0.zip": (
        "1 person without an e-mail address and a netid not in the package",
        "2 memberships of people without an e-mail address not in the packages",
        "1 group without a name that XML can hold not in the package",
    )}  # fmt: skip


def test_a_subtree_brings_its_own_groups_alone(repository: Repository, tmp_path: Path) -> None:
    """A general group is on the target already: plain `-r` would stop at it. What is left out is told."""
    submit = repository.group(101, name_of("COLLECTION", 3, "SUBMIT"))
    repository.group(102, "Everybody", groups=(submit,))
    repository.community(1)
    repository.collection(3, 1, submitters=submit)
    done = export(repository.packages(roots=(uuid_of(1),)), Choice((uuid_of(1),)), tmp_path / "packages")
    run = Restore()
    run(tmp_path / "packages", "COMMUNITY@1-1.zip")
    assert "Everybody" not in run.groups
    assert [each.left_out for each in done.noted] == [
        ("left out: its groups are members of 1 group not in these packages",)
    ]


def test_hashes_of_passwords_go_only_if_asked(repository: Repository) -> None:
    """They are secrets; in replace mode stock DSpace erases those that are missing."""
    repository.person(100, "jo@example.org", password="c0ffee")
    assert b"c0ffee" not in repository.packages().roles()
    assert (
        b'<PasswordHash digest="SHA-512" salt="ab">c0ffee</PasswordHash>' in repository.packages(passwords=True).roles()
    )


def test_a_document_of_roles_has_those_who_were_asked_for(repository: Repository) -> None:
    """For `packager -t DSPACE-ROLES`, with the groups of containers named by handles."""
    jo = repository.person(100, "jo@example.org")
    repository.person(101, "bo@example.org")
    repository.community(1)
    group = repository.group(102, name_of("COMMUNITY", 1, "ADMIN"), people=(jo,))
    root = etree.fromstring(repository.packages().roles([jo, group]))
    assert [each.findtext("Email") for each in root.iter("Person")] == ["jo@example.org"]
    assert [each.get("Name") for each in root.iter("Group")] == ["COMMUNITY_hdl:1/1_ADMIN"]
    assert [each.get("Name") for each in root.iter("Member")] == ["jo@example.org"]
    assert len(list(etree.fromstring(repository.packages().roles()).iter("Person"))) == 2
