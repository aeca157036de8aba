"""A real Kafka broker for tests: one node (KRaft) from the released jars, in a folder of its own.

* `ensure()` fetches the jars once by Maven and keeps them in `$KAFKA_RIG_CACHE` (or `~/.cache/kafka-rig`).
* `Broker` is one instance: `start`, `stop`, `kill`, `wipe`, on ports that were free. It keeps its ports and its data
  over a restart. With `tls` it has a second listener, SASL_SSL, on which `USER` comes in with `PASSWORD` by PLAIN or
  SCRAM. By itself it is a whole cluster; `tests.real.kafka.brokers` has several.

Invariant: nothing is left running. A broker is ended by the id of its process, and ends when the test's process does.
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
import uuid as uuids
from collections.abc import Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from daemon.scratch import TRIES, free_port
from events.errors import PreconditionError

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
USER = "aipstream"
PASSWORD = "correct-horse-battery"
PEM = Encoding.PEM
HEAP = "256m"
START_SECONDS = 240
_PR_SET_PDEATHSIG = 1


def ensure() -> Path:
    """The folder of the jars; fetched if they are missing. Raises PreconditionError without Java, Maven or network."""
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if missing:
        raise PreconditionError(
            f"the tests against a real Kafka need {', '.join(missing)}",
            "Install Java 17 and Maven (Debian: apt-get install openjdk-17-jdk-headless maven).",
        )
    base = Path(os.environ.get("KAFKA_RIG_CACHE") or Path.home() / ".cache" / "kafka-rig").absolute()
    jars = base / hashlib.sha256((HERE / "pom.xml").read_bytes()).hexdigest()[:16]
    base.mkdir(parents=True, exist_ok=True)
    with (base / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (jars / "complete").exists():
            shutil.rmtree(jars, ignore_errors=True)
            command = ["mvn", "-B", "-q", "-ntp", "-C", "-f", HERE / "pom.xml", "dependency:copy-dependencies"]
            command += [f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
            done = subprocess.run(
                command,
                check=False,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                pass_fds=[lock.fileno()],
            )
            if done.returncode:
                raise PreconditionError(
                    f"Kafka's jars could not be fetched:\n{done.stdout[-3000:]}", "Is Maven's repository reachable?"
                )
            (jars / "complete").touch()
    return jars


def new_id() -> str:
    """The id of a cluster, or of a folder for data, as Kafka writes them."""
    return base64.urlsafe_b64encode(uuids.uuid4().bytes).decode().rstrip("=").replace("-", "_")


class Broker:
    """One broker in one folder. `settings` are further lines of its server.properties, `client_certificates` is whether
    its listener SASL_SSL wants them: "none", "requested" or "required".
    """

    client_certificates = "requested"
    roles = "broker,controller"
    heap = HEAP

    def __init__(self, folder: Path, *, tls: bool = False, settings: Sequence[str] = (), node: int = 1) -> None:
        self.folder = folder
        self.tls = tls
        self.settings = list(settings)
        self.node = node
        self.cluster = ""
        """The id with which it is formatted; a new one if there is none."""
        self.jars = ensure()
        self._take_ports()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        """host:port without encryption."""
        return f"127.0.0.1:{self.port}"

    @property
    def secure_servers(self) -> str:
        """host:port of the listener SASL_SSL."""
        return f"localhost:{self.secure_port}"

    @property
    def ca(self) -> Path:
        """The certificate that signed the broker's, as PEM."""
        return self.folder / "ca.pem"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "broker.log"

    @property
    def pid(self) -> int:
        """The id of its process, while it runs."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> Broker:
        """Start it, formatted if it is new, and wait until it answers: on other ports if it is new, and one of its own
        was taken meanwhile.
        """
        for left in reversed(range(TRIES)):
            new = not self._formatted
            self.launch()
            try:
                self.await_start()
            except AssertionError:
                if not (new and left and b"Address already in use" in _after(self.log, self._begin)):
                    raise
                self._take_ports()
                self.wipe()
            else:
                break
        return self

    def _take_ports(self) -> None:
        self.port, self.controller, self.secure_port = (free_port() for _ in range(3))

    @property
    def _formatted(self) -> bool:
        return (self.folder / "data" / "meta.properties").exists()

    def launch(self) -> None:
        """Start it, formatted if it is new."""
        assert self.process is None, "it runs"
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        if self.tls and not self.ca.exists():
            self._certificates()
        self._configure()
        if not self._formatted:
            self._format()
        self._begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self._java(self.heap, "kafka.Kafka", self.folder / "server.properties"),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=_end_with_parent,
            )

    def await_start(self) -> None:
        """Wait until it answers, after `launch`."""
        deadline = time.monotonic() + START_SECONDS
        while b"Kafka Server started" not in (said := _after(self.log, self._begin)):
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the broker did not start:\n{said.decode(errors='replace')[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it in its own way, and wait."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def kill(self) -> None:
        """End it by SIGKILL, and wait."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """It answers nobody until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        os.kill(self.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Remove its data; it is another cluster when it starts again."""
        assert self.process is None, "it runs"
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """A client for topics and settings."""
        from kafka.admin import KafkaAdminClient

        with closing(KafkaAdminClient(bootstrap_servers=self.servers)) as client:
            yield client

    # --- setting it up ----------------------------------------------------------------------------------------------

    def _java(self, heap: str, *words: object) -> list[str]:
        options = [f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Djava.io.tmpdir={self.folder}/tmp"]
        options += [f"-Dlog4j2.configurationFile=file:{self.folder}/log4j2.properties", "-cp", f"{self.jars}/*"]
        return ["java", *options, *map(str, words)]

    def _configure(self) -> None:
        listeners = [f"PLAINTEXT://127.0.0.1:{self.port}"] if "broker" in self.roles else []
        more: list[str] = []
        if self.tls:
            listeners.append(f"SASL_SSL://localhost:{self.secure_port}")
            plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
            scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
            more = [
                "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
                f'listener.name.sasl_ssl.plain.sasl.jaas.config={plain} required user_{USER}="{PASSWORD}";',
                f"listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram} required;",
                f"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram} required;",
                "ssl.keystore.type=PEM",
                f"ssl.keystore.location={self.folder}/broker.both",
                "ssl.truststore.type=PEM",
                f"ssl.truststore.location={self.ca}",
                f"ssl.client.auth={self.client_certificates}",
            ]
        (self.folder / "log4j2.properties").write_text(
            "rootLogger.level=info\nrootLogger.appenderRef.c.ref=c\nappender.c.type=Console\nappender.c.name=c\n"
        )
        control = [f"CONTROLLER://127.0.0.1:{self.controller}"] if "controller" in self.roles else []
        lines = [
            f"process.roles={self.roles}",
            f"node.id={self.node}",
            f"controller.quorum.voters={self.voters}",
            f"listeners={','.join(listeners + control)}",
            *([f"advertised.listeners={','.join(listeners)}"] if listeners else []),
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "controller.listener.names=CONTROLLER",
            f"log.dirs={self.folder}/data",
            "offsets.topic.replication.factor=1",
            "offsets.topic.num.partitions=3",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "transaction.state.log.num.partitions=3",
            "group.initial.rebalance.delay.ms=0",
            "log.cleaner.dedupe.buffer.size=4194304",
            "log.cleaner.backoff.ms=500",
            "log.retention.check.interval.ms=1000",
            "num.network.threads=2",
            "num.io.threads=2",
            *more,
            *self.settings,
        ]
        (self.folder / "server.properties").write_text("\n".join(lines) + "\n")

    @property
    def voters(self) -> str:
        """The controllers."""
        return f"{self.node}@127.0.0.1:{self.controller}"

    def _format(self) -> None:
        more = []
        if self.tls:
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                more += ["--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]"]
        cluster = self.cluster or new_id()
        self._run("kafka.tools.StorageTool", "format", "-t", cluster, "-c", self.folder / "server.properties", *more)

    def _run(self, *words: object) -> str:
        done = subprocess.run(
            self._java("128m", *words), check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _certificates(self) -> None:
        """An authority, what it signed for the broker and for a client; and an authority that nobody trusts."""
        ours = Authority(self.folder, "ca")
        ours.sign("broker")
        ours.sign("client")
        Authority(self.folder, "stranger").sign("intruder")


class Authority:
    """`NAME.pem`, a certificate that signs others."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.key, self.name = folder, ec.generate_private_key(ec.SECP256R1()), _named(name)
        made = _certificate(self.name, self.name, self.key).add_extension(x509.BasicConstraints(True, None), True)
        (folder / f"{name}.pem").write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(PEM))

    def sign(self, name: str) -> None:
        """`NAME.key`, `NAME.pem`, and `NAME.both` with both: a certificate for localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
        made = _certificate(_named(name), self.name, key).add_extension(names, False).sign(self.key, hashes.SHA256())
        secret = key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / f"{name}.key").write_bytes(secret)
        (self.folder / f"{name}.pem").write_bytes(made.public_bytes(PEM))
        (self.folder / f"{name}.both").write_bytes(secret + made.public_bytes(PEM))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )


def _after(log: Path, begin: int) -> bytes:
    with log.open("rb") as said:
        said.seek(begin)
        return said.read()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
