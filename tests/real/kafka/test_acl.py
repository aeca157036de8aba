"""What an account may be allowed, no more: with the ACLs that docs/kafka.md lists it does its work, and without one of
them it is told which.
"""

from __future__ import annotations

import time
import uuid as uuids
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)

from events.errors import AipstreamError, ConfigError
from events.log import kafka_topic_settings as topic_settings
from tests.events.samples import event
from tests.real.kafka.broker import Broker
from tests.real.kafka.fixtures import KafkaPlace

Grants = Mapping[str, Sequence[str]]

WRITER: Grants = {"topic": ["Read", "Write", "DescribeConfigs"], "group": ["Read"], "transactional-id": ["Write"]}
READER: Grants = {"topic": ["Read", "DescribeConfigs"], "group": ["Describe"]}
MAKER: Grants = {**WRITER, "topic": [*WRITER["topic"], "Create"]}
"""As docs/kafka.md has them."""

KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "transactional-id": ResourceType.TRANSACTIONAL_ID}
USERS = ("writer", "reader", "maker")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that allows nothing to whom nothing was granted; who comes without an account may do everything."""
    login = "org.apache.kafka.common.security.plain.PlainLoginModule"
    accounts = " ".join(f'user_{user}="{user}-password"' for user in USERS)
    settings = [
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users=User:ANONYMOUS",
        f"listener.name.sasl_ssl.plain.sasl.jaas.config={login} required {accounts};",
    ]
    made = Broker(tmp_path_factory.mktemp("guarded"), tls=True, settings=settings)
    try:
        yield made.start()
    finally:
        made.stop()


class Account:
    """One of `USERS` on its way to a topic of its own."""

    def __init__(self, broker: Broker, folder: Path, user: str) -> None:
        self.broker, self.user = broker, user
        topic = f"log-{uuids.uuid4().hex[:12]}"
        self.free = KafkaPlace(f"kafka://{broker.servers}/{topic}", folder / "free")
        self.place = KafkaPlace(f"kafka://{broker.secure_servers}/{topic}", folder / user)
        for each in (self.free, self.place):
            each.folder.mkdir()

    def made(self) -> Account:
        """With a log in the topic, of one event."""
        with closing(self.free.open(create=True)) as log:
            log.append([event(1)])
        return self

    def granted(self, grants: Grants, but: tuple[str, str] | None = None) -> None:
        """May do that from now on, and nothing else; without one of it."""
        names = {kind: self.place.topic if kind == "topic" else f"aipstream.{self.place.topic}" for kind in KINDS}
        principal = f"User:{self.user}"
        everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
        wanted = {
            (kind, operation) for kind, operations in grants.items() for operation in operations
        } - {but}  # fmt: skip
        with self.broker.admin() as admin:
            admin.delete_acls([ACLFilter(principal, "*", ACLOperation.ANY, ACLPermissionType.ANY, everything)])
            if wanted:
                admin.create_acls([
                    ACL(principal, "*", OPERATIONS[operation], ACLPermissionType.ALLOW,
                        ResourcePattern(KINDS[kind], names[kind]))
                    for kind, operation in wanted
                ])  # fmt: skip

    def opened(self, *, create: bool = False) -> Any:
        return closing(
            self.place.open(
                create=create, security="tls", ca=str(self.broker.ca), mechanism="PLAIN",
                user=self.user, password=f"{self.user}-password",
            )
        )  # fmt: skip

    def write(self) -> None:
        with self.opened() as log, log.writing():
            log.append([event(log.end() + 1)])

    def read(self) -> None:
        with self.opened() as log:
            assert [entry.position for entry in log.read(0)]
            log.lease()

    def check(self) -> None:
        with self.opened() as log:
            assert all(each.ok for each in topic_settings.findings(log.reader, log.settings))

    def init(self) -> None:
        with self.opened(create=True):
            pass


OPERATIONS = {
    "Read": ACLOperation.READ,
    "Write": ACLOperation.WRITE,
    "Create": ACLOperation.CREATE,
    "Describe": ACLOperation.DESCRIBE,
    "DescribeConfigs": ACLOperation.DESCRIBE_CONFIGS,
}


def in_force(attempt: Callable[[], None], then: Callable[[AipstreamError | None], bool]) -> AipstreamError | None:
    """What comes of it, once what was granted has reached the broker, which takes a moment."""
    deadline = time.monotonic() + 300
    while True:
        caught: AipstreamError | None = None
        try:
            attempt()
        except AipstreamError as error:
            caught = error
        if then(caught) or time.monotonic() > deadline:
            return caught
        time.sleep(0.1)


def allowed(attempt: Callable[[], None]) -> None:
    """It is done."""
    assert in_force(attempt, lambda caught: caught is None) is None


def refused(attempt: Callable[[], None], operation: str, kind: str, name: str) -> None:
    """It is told what is missing, and the command that grants it."""
    caught = in_force(attempt, lambda caught: caught is not None and f"lacks {operation} on the {kind}" in str(caught))
    assert isinstance(caught, ConfigError), caught
    assert f"lacks {operation} on the {kind} {name}," in str(caught)
    assert f"--operation {operation} --{kind} {name}" in caught.hint


def test_a_writer_needs_these_rights(guarded: Broker, tmp_path: Path) -> None:
    """With them it writes, reads and checks; without any one of them it is told that one."""
    account = Account(guarded, tmp_path, "writer").made()
    topic, own = account.place.topic, f"aipstream.{account.place.topic}"
    account.granted(WRITER)
    for attempt in (account.write, account.read, account.check):
        allowed(attempt)
    for but, attempt in (
        (("topic", "Read"), account.read),
        (("topic", "Write"), account.write),
        (("topic", "DescribeConfigs"), account.check),
        (("group", "Read"), account.write),
        (("transactional-id", "Write"), account.write),
    ):
        account.granted(WRITER, but)
        kind, operation = but
        if but == ("group", "Read"):  # which had given Describe along
            account.granted({**WRITER, "group": ["Describe"]})
        refused(attempt, operation, kind, topic if kind == "topic" else own)


def test_a_reader_needs_these_rights_and_cannot_write(guarded: Broker, tmp_path: Path) -> None:
    """Not even if it thinks that it is the writer."""
    account = Account(guarded, tmp_path, "reader").made()
    topic, own = account.place.topic, f"aipstream.{account.place.topic}"
    account.granted(READER)
    for attempt in (account.read, account.check):
        allowed(attempt)
    refused(account.write, "Write", "transactional-id", own)
    account.granted({**READER, "transactional-id": ["Write"]})
    refused(account.write, "Write", "topic", topic)
    for but, attempt in ((("topic", "Read"), account.read), (("group", "Describe"), account.read)):
        account.granted(READER, but)
        refused(attempt, but[1], but[0], topic if but[0] == "topic" else own)
    account.granted(READER, ("topic", "DescribeConfigs"))
    allowed(account.read)
    refused(account.check, "DescribeConfigs", "topic", topic)
    with closing(account.free.open()) as log:
        assert log.end() == 1


def test_who_makes_the_topic_needs_one_right_more(guarded: Broker, tmp_path: Path) -> None:
    """Create, on the topic alone."""
    account = Account(guarded, tmp_path, "maker")
    account.granted(MAKER, ("topic", "Create"))
    refused(account.init, "Create", "topic", account.place.topic)
    account.granted(MAKER)
    allowed(account.init)
    allowed(account.write)
