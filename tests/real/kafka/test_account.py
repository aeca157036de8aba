"""How a client shows who it is: TLS, SASL, and what is said when it is not let in."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.scratch import free_port
from events.errors import ConfigError
from events.log.kafka_errors import LogUnreachable
from tests.events.samples import event
from tests.real.kafka.broker import PASSWORD, USER, Broker
from tests.real.kafka.fixtures import KafkaPlace

REFUSED = "refuse the account|socket disconnected"


@pytest.fixture
def secure(broker: Broker, kafka_place: KafkaPlace) -> KafkaPlace:
    """The log by the listener that wants TLS and an account."""
    return kafka_place._replace(url=f"kafka://{broker.secure_servers}/{kafka_place.topic}")


@pytest.fixture
def account(broker: Broker) -> dict[str, Any]:
    return {"security": "tls", "ca": str(broker.ca), "mechanism": "SCRAM-SHA-512", "user": USER, "password": PASSWORD}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_an_account_writes_and_reads(
    secure: KafkaPlace, broker: Broker, account: dict[str, Any], mechanism: str
) -> None:
    """By each mechanism, with a certificate of our own or without one."""
    folder = broker.folder
    own = {"certificate": str(folder / "client.pem"), "key": str(folder / "client.key")} if mechanism == "PLAIN" else {}
    with closing(secure.open(**account | own | {"mechanism": mechanism})) as log:
        log.append([event(1)])
        assert [entry.event for entry in log.read(0)] == [event(1)]


@pytest.mark.parametrize(
    ("wrong", "what", "hint"),
    [
        ({"password": "wrong-horse-battery"}, REFUSED, "password"),
        ({"user": "somebody"}, REFUSED, "user"),
        ({"ca": "stranger.pem"}, "not signed by the authority", "[kafka] ca"),
        ({"security": "plaintext", "ca": ""}, "another protocol", "tls"),
    ],
    ids=["password", "user", "authority", "no TLS"],
)
def test_what_is_wrong_is_said(
    secure: KafkaPlace, broker: Broker, account: dict[str, Any], wrong: dict[str, str], what: str, hint: str
) -> None:
    """Soon, with the key to correct, and without the password. Where the brokers' answer and the end of the connection
    come together, the client sees the end alone.
    """
    if wrong.get("ca"):
        wrong = {"ca": str(broker.folder / wrong["ca"])}
    with pytest.raises((ConfigError, LogUnreachable), match=what) as caught:
        secure.open(**account | wrong)
    assert hint in f"{caught.value} {caught.value.hint}"
    assert account["password"] not in f"{caught.value} {caught.value.hint}"
    assert "wrong-horse" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


def test_tls_where_there_is_none_is_said(kafka_place: KafkaPlace, broker: Broker) -> None:
    """The brokers end the connection in the handshake."""
    with pytest.raises(ConfigError, match="TLS"):
        kafka_place.open(security="tls", ca=str(broker.ca))


def test_brokers_that_do_not_answer_are_waited_for_by_a_daemon(kafka_place: KafkaPlace) -> None:
    """It is an error of the kind that passes, and names the place."""
    port = free_port()
    with pytest.raises(LogUnreachable, match=str(port)) as caught:
        kafka_place._replace(url=f"kafka://127.0.0.1:{port}/topic").open()
    assert caught.value.exit_code == 10


@pytest.mark.parametrize(
    "given",
    [
        {"mechanism": "PLAIN"},
        {"user": "somebody"},
        {"ca": "/etc/hosts"},
        {"security": "tls", "ca": "/no/such/file"},
        {"security": "tls", "certificate": "/etc/hosts"},
        {"partitions": 0},
        {"lease_seconds": 0.1},
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    """Before anything is connected."""
    with pytest.raises(ConfigError, match="kafka"):
        KafkaPlace("kafka://127.0.0.1:1/topic", tmp_path).settings(**given)


@pytest.mark.parametrize(
    "url",
    ["kafka://", "kafka://host:9092", "kafka://host/topic", "kafka://host:9092/", "kafka://host:9092/a b",
     "kafka:/host:9092/a", "kafka://user:secret@host:9092/topic", "kafka://host:9092,/topic",
     "kafka:user:secret@host:9092/topic", "kafka://user:secret/more@host:9092/topic"],
)  # fmt: skip
def test_a_url_names_brokers_and_a_topic(tmp_path: Path, url: str) -> None:
    """And nothing else; an account belongs into [kafka]."""
    with pytest.raises(ConfigError, match="url") as caught:
        KafkaPlace(url, tmp_path).open()
    assert "secret" not in str(caught.value)


def test_a_password_is_in_no_description(tmp_path: Path) -> None:
    """Of the settings, which may stand in a traceback."""
    settings = KafkaPlace("", tmp_path).settings(security="tls", mechanism="PLAIN", user="u", password="very-secret")
    assert "very-secret" not in repr(settings)
