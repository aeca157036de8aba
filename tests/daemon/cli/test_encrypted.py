"""A repository whose contents are encrypted before they are kept."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from events.blobs import Keys, open_blobs
from tests.daemon.cli.place import Place


def test_contents_are_encrypted_on_the_whole_way(place: Place, tmp_path: Path) -> None:
    """Captured with the public key alone, replayed with the private one; the store holds no content as it is."""
    key = tmp_path / "private.key"
    assert place.good("blobs", "keygen", "--out", str(key), "--dry-run").out.strip() == f"{key} would be made"
    assert not key.exists()
    public = place.good("blobs", "keygen", "--out", str(key)).out.strip()
    assert key.stat().st_mode & 0o777 == 0o600
    sealed = tmp_path / "sealed"
    writes = f'url = "file://{sealed}"\nencrypt_to = "{public}"'
    place.configure(blobs=writes)
    place.good("init")
    place.good("snapshot")
    done = place("check")
    assert "contents cannot be read back here" in done.out
    stored = {path.read_bytes() for path in sealed.rglob("*") if path.is_file() and path.stat().st_size}
    assert stored
    contents = [path.read_bytes() for path in place.source_store.rglob("*") if path.is_file()]
    assert not [content for content in contents if len(content) > 20 and any(content in each for each in stored)]
    done = place("replay")
    assert done.code == 10
    assert "no key to read it" in done.err
    assert "identity" in done.err
    place.configure(blobs=f'{writes}\nidentity = "{key}"')
    place.good("run", "--until-current")
    assert place.differences() == []
    place.edit(20)
    place.good("run", "--until-current")
    assert place.differences() == []
    assert "private-1" not in place.good("config", "show").out


def test_a_store_that_was_encrypted_is_never_written_plain(place: Place, tmp_path: Path) -> None:
    """The key fell out of the configuration, or is damaged: an error, by every verb."""
    public = place.good("blobs", "keygen", "--out", str(tmp_path / "private.key"), "--json").json["public"]
    url = f'url = "file://{tmp_path}/sealed"'
    place.configure(blobs=f'{url}\nencrypt_to = "{public}"')
    place.good("init")
    for blobs in (url, f'{url}\nencrypt_to = " "', f'{url}\nencrypt_to = "{public[:-2]}"', f'{url}\nplain = "read"'):
        place.configure(blobs=blobs)
        for verb in ("init", "snapshot"):
            done = place(verb)
            assert done.code == 2, blobs
            assert "[blobs]" in done.err
    assert [path.name for path in (tmp_path / "sealed").rglob("*") if path.is_file()] == ["encrypted"]


@pytest.mark.parametrize("reads", [True, False], ids=["with the private key", "without it"])
def test_damage_is_found_and_put_right(place: Place, tmp_path: Path, reads: bool) -> None:
    """Of header, frame, length, a blob that is gone, one that lies there unencrypted; nothing comes back plain."""
    key, sealed = tmp_path / "private.key", tmp_path / "sealed"
    public = place.good("blobs", "keygen", "--out", str(key)).out.strip()
    identity = f'\nidentity = "{key}"' if reads else ""
    place.configure(blobs=f'url = "file://{sealed}"\nencrypt_to = "{public}"{identity}')
    place.good("init")
    place.good("snapshot")
    plain = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path for path in place.source_store.rglob("*") if path.is_file()
    }
    paths = sorted(path for path in sealed.rglob("*") if path.name in plain and path.stat().st_size > 400)[:5]
    for path, damage in zip(paths, ("header", "frame", "cut", "gone", "plain"), strict=True):
        whole = path.read_bytes()
        if damage == "gone":
            path.unlink()
            continue
        at = {"header": 20, "frame": 300}.get(damage, 0)
        path.write_bytes(
            {
                "cut": whole[:-1],
                "plain": plain[path.name].read_bytes(),
            }.get(damage, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        )
    done = place("verify", "--log", "--read-blobs", "100%", "--json")
    assert done.code == 5
    assert {path.name for path in paths} <= {name for name in plain if name in done.out}
    repaired = place.good("log", "repair", "--read-blobs", "100%", "--json").json
    assert (repaired["mended"], repaired["left"]) == (5, 0)
    place.good("verify", "--log", "--read-blobs", "100%")
    for path in paths:
        assert path.read_bytes().startswith(b"aipblob1")


def test_a_plain_archive_is_copied_into_an_encrypted_one(replicated: Place, tmp_path: Path) -> None:
    """By `copy` into another configuration; what is copied is read back with the private key."""
    key = tmp_path / "private.key"
    public = replicated.good("blobs", "keygen", "--out", str(key)).out.strip()
    other = tmp_path / "other.toml"
    other.write_text(
        f'[log]\nurl = "sqlite:///{tmp_path}/other.sqlite"\n'
        f'[blobs]\nurl = "file://{tmp_path}/sealed"\nencrypt_to = "{public}"\nidentity = "{key}"\n'
    )
    replicated.good("copy", "--into", str(other), "--read-back")
    before = {path.name: path.stat().st_size for path in (replicated.folder / "blobs").rglob("*") if path.is_file()}
    blobs = open_blobs(f"file://{tmp_path}/sealed", keys=Keys(identity=str(key)))
    assert {name: blobs.size(name) for name in blobs.list()} == before
    for path in (tmp_path / "sealed").rglob("*"):
        assert not path.is_file() or path.name == "encrypted" or path.read_bytes().startswith(b"aipblob1")


def test_keys_are_not_overwritten(place: Place, tmp_path: Path) -> None:
    """Nor told."""
    path = tmp_path / "private.key"
    place.good("blobs", "keygen", "--out", str(path))
    private = path.read_text()
    for more in ([], ["--dry-run"]):
        done = place("blobs", "keygen", "--out", str(path), *more)
        assert done.code == 2
        assert "is there already" in done.err
    assert path.read_text() == private
    assert json.dumps(private.splitlines()[-1])[20:-1] not in done.out + done.err
