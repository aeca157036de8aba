"""The container files hold together: no engine runs here, but what they say can be carried out and read."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from daemon.config import load
from daemon.scratch import Cluster

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "ops" / "containers"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file as a document."""
    found: dict[str, Any] = yaml.safe_load((FILES / "compose.yaml").read_text())
    return found


def instructions() -> list[tuple[str, str]]:
    """(instruction, its words) of the image, lines that go on joined."""
    text = re.sub(r"\\\n\s*", "", (FILES / "Containerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, words) for name, _, words in (line.partition(" ") for line in lines)]


def test_every_instruction_of_the_image_is_one() -> None:
    """And it begins with what it is made from."""
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ARG", "ENV", "USER", "VOLUME", "STOPSIGNAL", "HEALTHCHECK",
             "ENTRYPOINT", "CMD"}  # fmt: skip
    found = instructions()
    assert {name for name, _ in found} <= known
    assert found[0][0] == "FROM"
    assert {name for name, _ in found} >= {"USER", "ENTRYPOINT", "STOPSIGNAL"}


def copied() -> list[str]:
    """What the image takes from the checkout."""
    return [
        source
        for name, words in instructions()
        if name == "COPY" and not words.startswith("--from")
        for source in shlex.split(words)[:-1]
    ]


def test_what_the_image_copies_is_not_ignored() -> None:
    """Each is there, and .dockerignore lets it in; all else stays out."""
    lets_in = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }  # fmt: skip
    assert set(copied()) == lets_in
    for name in copied():
        assert (ROOT / name).exists()


def test_the_steps_of_the_image_make_a_command_that_works(tmp_path: Path) -> None:
    """Carried out in a folder that has only what the image copies: the lock has all that the program needs, Kafka and
    object stores too, and the package brings its own SQL along."""
    source, made = tmp_path / "src", tmp_path / "aipstream"
    source.mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    for name, words in instructions():
        if name == "FROM" and " AS " not in words:
            break
        if name == "RUN":
            command = words.replace("/opt/aipstream", str(made)).replace("python -m venv", f"{sys.executable} -m venv")
            subprocess.run(shlex.split(command.replace("--no-cache-dir", "")), cwd=source, check=True, timeout=500)
    told = subprocess.run([made / "bin" / "aipstream", "--help"], capture_output=True, text=True, check=True, cwd="/")
    assert "replayed" in told.stdout
    needs = "import kafka, obstore, cryptography, daemon.sample.generator, daemon.dspace.tables"
    subprocess.run([made / "bin" / "python", "-c", needs], check=True, cwd="/")
    packaged = {path.relative_to(ROOT) for top in ("daemon", "events") for path in (ROOT / top).rglob("*.sql")}
    (installed,) = (made / "lib").glob("python3*/site-packages")
    assert all((installed / path).exists() for path in packaged)


def test_every_service_depends_on_services_that_are_there(compose: dict[str, Any]) -> None:
    """In a way that they can answer: healthy only what has a health check."""
    services = compose["services"]
    assert set(services) >= {"postgres", "kafka", "s3", "aipstream"}
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in services[name]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (FILES / source).exists() if source.startswith(".") else source in compose["volumes"]
    build = services["aipstream"]["build"]
    assert (FILES / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).exists()


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    """To a version, so that tomorrow's is not another program."""
    images = [service["image"] for service in compose["services"].values() if "image" in service]
    images += [words.split()[0] for name, words in instructions() if name == "FROM"]
    assert len(images) == 5
    for image in images:
        assert re.search(r":\d", image), image


def test_the_configuration_is_of_those_services(compose: dict[str, Any]) -> None:
    """It loads, and every host that it names is a service; no password stands in it."""
    config = load(FILES / "aipstream.toml", {})
    hosts = set(re.findall(r"(?:@|kafka://)([a-z0-9]+):", (FILES / "aipstream.toml").read_text()))
    hosts.add(compose["services"]["aipstream"]["environment"]["AWS_ENDPOINT_URL"].removeprefix("http://"))
    assert hosts == {"postgres", "kafka", "s3"}
    assert config.source is not None
    assert "PASSWORD" not in (FILES / "aipstream.toml").read_text().upper().replace("PASSWORDS COME", "")
    assert config.blobs.url.startswith("s3://aipstream")


def test_the_sample_is_made_once(cluster: Cluster, tmp_path: Path) -> None:
    """Two repositories of other numbering and the bucket; a second start changes nothing."""
    spec = importlib.util.spec_from_file_location("sample", FILES / "sample.py")
    assert spec is not None
    assert spec.loader is not None
    sample = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sample)
    dsn = cluster.create("source")
    try:
        for _ in range(2):
            sample.main(dsn, tmp_path / "assetstores", tmp_path / "buckets" / "aipstream", 0, items=5)
            counts = []
            for name in ("source", "target"):
                with closing(psycopg2.connect(dsn, dbname=name)) as connection, connection.cursor() as cursor:
                    cursor.execute("SELECT (SELECT count(*) FROM item), (SELECT count(*) FROM metadatafieldregistry)")
                    counts.append(cursor.fetchone())
            assert counts[0][0] > 0
            assert counts[1][0] == 0
        assert (tmp_path / "buckets" / "aipstream").is_dir()
        assert any(path.is_file() for path in (tmp_path / "assetstores" / "source").rglob("*"))
    finally:
        for name in ("source", "target"):
            cluster.drop(name)
