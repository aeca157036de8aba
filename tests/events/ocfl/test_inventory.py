"""Inventories: what is added is there, what is written is read, what is wrong is refused; and where objects lie."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import ocfl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import InvalidPackage, ObjectTooLarge
from events.ocfl import inventory as inventories
from events.ocfl.inventory import Inventory, New, decoded, has_copy, sidecar, sidecar_digest
from events.ocfl.layout import Algorithm, identifier, place, root_files, uuid_in

USER = {"name": "aipstream", "address": "urn:uuid:0"}
UUID = "00000001-0000-4000-8000-000000000000"


def digest_of(content: str, algorithm: str = "sha512") -> str:
    return hashlib.new(algorithm, content.encode()).hexdigest()


def added(inventory: Inventory, files: dict[str, str]) -> None:
    """One more version of files with those contents."""
    algorithm = inventory.digestAlgorithm
    digests = {name: digest_of(content, algorithm) for name, content in files.items()}
    new = {}
    for name, digest in sorted(digests.items()):
        if digest not in inventory.manifest and digest not in new:
            new[digest] = New(name, {"md5": digest_of(files[name], "md5")})
    inventory.add("2026-03-01T00:00:00.000000Z", "made", USER, digests, new)


FILES = st.dictionaries(st.sampled_from(["mets.xml", "event.json", "a", "b"]), st.text(max_size=2), min_size=1)
STATES = st.lists(FILES, min_size=1, max_size=8)


@given(STATES, st.sampled_from(["sha512", "sha256"]))
def test_every_version_has_the_files_that_were_added(states: list[dict[str, str]], algorithm: Algorithm) -> None:
    """Written and read again, valid for an outside validator, with each content in the manifest once."""
    inventory = Inventory(identifier(UUID), algorithm)
    for files in states:
        added(inventory, files)
    back = decoded(inventory.encoded(), "here")
    assert back == inventory
    for number, files in enumerate(states, 1):
        assert back.files(f"v{number}") == {name: digest_of(text, algorithm) for name, text in files.items()}
    assert len({path for paths in back.manifest.values() for path in paths}) == len(back.manifest)
    judge = ocfl.InventoryValidator()
    assert judge.validate(json.loads(inventory.encoded())), str(judge.log)
    every = {text for files in states for text in files.values()}
    assert back.known_by("md5") == {digest_of(text, "md5"): digest_of(text, algorithm) for text in every}


def test_copies_of_inventories_become_rare() -> None:
    """Each version up to 100, then 200, 400, 800: all of them together are no more than a few times the last."""
    assert [number for number in range(1, 2000) if has_copy(number)] == [*range(1, 101), 200, 400, 800, 1600]


def test_an_inventory_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the object and its versions."""
    monkeypatch.setattr(inventories, "MAX_BYTES", 1000)
    inventory = Inventory(identifier(UUID), "sha512")
    added(inventory, {"a": "1"})
    added(inventory, {"a": "2"})
    with pytest.raises(ObjectTooLarge, match=f"{UUID} would have .* 2 versions: more than 1,000"):
        inventory.encoded()


def broken(**changed: Any) -> bytes:
    inventory = Inventory(identifier(UUID), "sha512")
    added(inventory, {"a": "1"})
    return json.dumps({**json.loads(inventory.encoded()), **changed}).encode()


DIGEST = digest_of("1")
VERSION = {"created": "2026-03-01T00:00:00Z", "state": {DIGEST: ["a"]}}


@pytest.mark.parametrize(("document", "said"), [
    (b"", "no inventory"), (b"[]", "no inventory"), (b"\xff", "no inventory"), (b'{"id": "x"}', "no inventory"),
    (broken(digestAlgorithm="md5"), "no inventory"), (broken(surprise=1), "no inventory"),
    (broken(type="https://ocfl.io/1.0/spec/#inventory"), "not of OCFL 1.1"),
    (broken(head="v2"), "its head is 'v2'"), (broken(versions={}), "its head is"),
    (broken(versions={"v1": VERSION, "v3": VERSION}, head="v2"), "not v1, v2"),
    (broken(contentDirectory="../x"), "content folder"), (broken(contentDirectory=".."), "content folder"),
    (broken(manifest={"abc": ["v1/content/a"]}), "is no sha512"),
    (broken(manifest={DIGEST: []}), "not in the manifest"),
    (broken(manifest={DIGEST: ["v1/content/a", "v1/content/a"]}), "stands twice"),
    (broken(manifest={DIGEST: ["v1/content/../../../x"]}), "leads elsewhere"),
    (broken(manifest={DIGEST: ["v1/content/a\0b"]}), "leads elsewhere"),
    (broken(manifest={}), "not in the manifest"),
    (broken(versions={"v1": {**VERSION, "state": {DIGEST: ["../a"]}}}), r"has the name '\.\./a'"),
    (broken(versions={"v1": {**VERSION, "state": {DIGEST: ["a", "a"]}}}), "has the name 'a'"),
])  # fmt: skip
def test_what_is_wrong_with_an_inventory_is_said(document: bytes, said: str) -> None:
    """With the place, and nothing of it is believed."""
    with pytest.raises(InvalidPackage, match=f"here: .*{said}"):
        decoded(document, "here")


def test_a_sidecar_proves_its_inventory() -> None:
    """In the form that the specification gives; anything else is none."""
    name, text = sidecar("sha512", DIGEST)
    assert (name, text) == ("inventory.json.sha512", f"{DIGEST} inventory.json\n".encode())
    assert sidecar_digest(text) == DIGEST
    assert sidecar_digest(f"{DIGEST.upper()}\t inventory.json".encode()) == DIGEST
    for wrong in (b"", DIGEST.encode(), f"{DIGEST} other.json\n".encode(), f"zz{DIGEST} inventory.json".encode()):
        assert sidecar_digest(wrong) is None


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_objects_lie_where_an_outside_implementation_looks_for_them(name: str) -> None:
    """Extension 0003 with our parameters, whatever the identifier."""
    layout = ocfl.layout_registry.get_layout("0003")
    layout.check_and_set_layout_params(
        json.loads(root_files()["extensions/0003-hash-and-id-n-tuple-storage-layout/config.json"])
    )
    assert str(place(name)) == layout.identifier_to_path(name)


def test_an_identifier_is_a_urn() -> None:
    """And only ours are taken for one."""
    assert uuid_in(identifier(UUID)) == UUID
    for other in (UUID, "urn:uuid:../x", f"urn:uuid:{UUID}x", "urn:isbn:1"):
        assert uuid_in(other) is None
