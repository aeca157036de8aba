"""The index told through the server's scripts endpoint, over loopback to a stand-in that does what DSpace's does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.index.port import Call
from daemon.index.rest import RestIndexer
from daemon.index.session import Session
from daemon.scratch import free_port
from events.errors import ConfigError, IndexFailed, Interrupted
from tests.daemon.index.server import (
    ADMIN,
    PASSWORD,
    READER,
    Server,
    hang_up,
    slowly,
    stale_token,
    status,
)

ITEM = "5e18ae2b-2c7d-44c5-a79c-1f4a4d9fb1a1"
ONE = Call(("-i", ITEM), (), 60.0)
SCRIPT = "index-discovery/processes"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxy this machine uses for other things."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def indexer(server: Server, user: str = ADMIN, password: str = PASSWORD, timeout: float = 5.0) -> RestIndexer:
    return RestIndexer(Session(server.url, user, password, timeout=timeout), naps=(0.0, 0.01))


def never() -> bool:
    return False


def test_a_run_is_started_and_waited_for(server: Server) -> None:
    """With its arguments, through all its states; and its process is taken off the list again."""
    indexer(server).tell(ONE, never)
    assert server.calls == [["-i", ITEM]]
    assert server.deleted == [1]
    assert server.count("GET", "processes/1") >= 2


@pytest.mark.parametrize("arguments", [("-c",), ("-f",), ("-f", "-t", "Community"), ()])
def test_arguments_arrive_as_they_are(server: Server, arguments: tuple[str, ...]) -> None:
    """Those without a value have none."""
    indexer(server).tell(Call(arguments, (), 60.0), never)
    assert server.calls == [list(arguments)]


def test_one_login_serves_many_runs(server: Server) -> None:
    """And one token against forged requests."""
    one = indexer(server)
    for _ in range(5):
        one.tell(ONE, never)
    assert len(server.calls) == 5
    assert server.count("POST", "authn/login") == 1
    assert server.count("GET", "security/csrf") == 1


def test_a_server_without_the_endpoint_for_tokens_gives_one_otherwise(server: Server) -> None:
    """The first releases of 7.6 have none; their status endpoint brings the first token."""
    server.has_csrf_endpoint = False
    indexer(server).tell(ONE, never)
    assert server.calls == [["-i", ITEM]]


def test_a_token_that_changes_with_every_answer_is_followed(server: Server) -> None:
    """Nothing is refused even once."""
    server.rotating = True
    one = indexer(server)
    one.tell(ONE, never)
    one.tell(ONE, never)
    assert len(server.calls) == 2
    assert server.count("POST", SCRIPT) == 2


def test_a_session_that_is_over_is_opened_again(server: Server) -> None:
    """Between two runs, and in the middle of one."""
    one = indexer(server)
    one.tell(ONE, never)
    server.expire()
    one.tell(ONE, never)
    server.states = ["RUNNING", "RUNNING", "COMPLETED"]
    server.once("GET", "processes/3", lambda handler: (server.expire(), handler.answer(401))[-1])
    one.tell(ONE, never)
    assert len(server.calls) == 3
    assert server.count("POST", "authn/login") == 3


def test_a_refused_token_is_fetched_again_and_the_run_started_once(server: Server) -> None:
    """As after a restart of the server."""
    one = indexer(server)
    one.tell(ONE, never)
    server.once("POST", SCRIPT, stale_token)
    one.tell(ONE, never)
    assert len(server.calls) == 2
    server.once("POST", "authn/login", stale_token)
    server.expire()
    one.tell(ONE, never)
    assert len(server.calls) == 3


def test_an_account_that_is_no_administrator_is_told_so(server: Server) -> None:
    """With what mends it; it is not tried for ever."""
    with pytest.raises(IndexFailed, match=r"reader@example\.org may not use") as raised:
        indexer(server, READER).tell(ONE, never)
    assert "Administrator" in raised.value.hint
    assert server.count("POST", SCRIPT) == 2
    with pytest.raises(IndexFailed, match="may not use"):
        indexer(server, READER).look()


def test_a_wrong_password_is_told_without_it(server: Server) -> None:
    """Neither it nor any token stands in the message."""
    with pytest.raises(IndexFailed, match=r"does not let admin@example.org in") as raised:
        indexer(server, password="wrong-one").tell(ONE, never)
    assert "wrong-one" not in str(raised.value) + raised.value.hint
    assert server.calls == []


def test_a_failed_process_is_an_error_and_stays_on_the_server(server: Server) -> None:
    """Its number is told, for its output is there."""
    server.states = ["RUNNING", "FAILED"]
    with pytest.raises(IndexFailed, match=r"-i 5e18ae2b.* ended as FAILED \(process 1\)"):
        indexer(server).tell(ONE, never)
    assert server.deleted == []


def test_a_state_that_nobody_knows_is_an_error(server: Server) -> None:
    """Rather than being waited for, or taken for a success."""
    server.states = ["PAUSED"]
    with pytest.raises(IndexFailed, match="unknown state: 'PAUSED'"):
        indexer(server).tell(ONE, never)


def test_a_process_that_never_ends_is_given_up(server: Server) -> None:
    """After the limit of its call."""
    server.states = ["SCHEDULED"]
    with pytest.raises(IndexFailed, match="is still SCHEDULED"):
        indexer(server).tell(Call(("-c",), (), 0.05), never)


def test_waiting_ends_when_the_program_is_stopped(server: Server) -> None:
    """In the middle of a long process."""
    server.states = ["RUNNING"]
    with pytest.raises(Interrupted):
        indexer(server).tell(ONE, lambda: server.count("GET", "processes/1") > 2)


@pytest.mark.parametrize("number", [500, 502, 503, 429])
def test_a_server_in_trouble_is_an_error(server: Server, number: int) -> None:
    """With its status and what it says."""
    server.once("POST", SCRIPT, status(number, "out of order"))
    with pytest.raises(IndexFailed, match=f"status {number}, out of order"):
        indexer(server).tell(ONE, never)


def test_a_refused_argument_is_an_error(server: Server) -> None:
    """400, as where the script does not know an option."""
    server.once("POST", SCRIPT, status(400, "bad parameters"))
    with pytest.raises(IndexFailed, match="status 400, bad parameters"):
        indexer(server).tell(ONE, never)


def test_another_address_on_the_server_is_told(server: Server) -> None:
    """Such as that of the user interface."""
    wrong = RestIndexer(Session(server.url.removesuffix("/server"), ADMIN, PASSWORD, timeout=5.0))
    with pytest.raises(IndexFailed, match="no token against forged requests came, status 404") as raised:
        wrong.look()
    assert "https://HOST/server" in raised.value.hint


def test_a_redirect_is_not_followed(server: Server) -> None:
    """The password would go with it."""
    server.once("POST", "authn/login", lambda handler: handler.answer(302, Location="http://elsewhere.example/"))
    with pytest.raises(IndexFailed, match=r"redirected to http://elsewhere.example/"):
        indexer(server).tell(ONE, never)


def test_an_answer_that_breaks_off_is_an_error(server: Server) -> None:
    """Of whatever request."""
    for method, path in (("GET", "security/csrf"), ("POST", "authn/login"), ("POST", SCRIPT), ("GET", "processes/1")):
        server.once(method, path, hang_up)
        server.processes.clear()
        server.calls.clear()
        with pytest.raises(IndexFailed, match="does not answer"):
            indexer(server).tell(ONE, never)
    indexer(server).tell(ONE, never)


def test_a_server_that_says_nothing_is_given_up(server: Server) -> None:
    """After a time-out; nobody waits for ever."""
    server.once("POST", SCRIPT, slowly(1.0))
    with pytest.raises(IndexFailed, match=r"does not answer: .*[Tt]ime"):
        indexer(server, timeout=0.2).tell(ONE, never)


def test_a_server_that_is_not_there_is_told() -> None:
    """Connection refused."""
    with pytest.raises(IndexFailed, match="does not answer"):
        RestIndexer(Session(f"http://127.0.0.1:{free_port()}/server", ADMIN, PASSWORD, timeout=2.0)).look()


def test_a_server_without_its_solr_is_told(server: Server) -> None:
    """The process would be COMPLETED all the same: DSpace catches what Solr's silence throws."""
    server.solr = "DOWN"
    one = indexer(server)
    one.session.ask("GET", "/api/authn/status")
    with pytest.raises(IndexFailed, match="Solr core of the search is DOWN"):
        one.tell(ONE, never)
    assert server.calls == []


def test_a_server_that_does_not_tell_of_solr_is_believed(server: Server) -> None:
    """Health may be switched off."""
    server.solr = None
    indexer(server).tell(ONE, never)
    server.once("GET", "actuator/health", status(404))
    indexer(server).tell(ONE, never)
    assert len(server.calls) == 2


def test_a_process_that_cannot_be_taken_off_the_list_is_no_error(server: Server) -> None:
    """Tidying up is a courtesy."""
    server.once("DELETE", "processes/1", status(500))
    indexer(server).tell(ONE, never)
    assert server.calls == [["-i", ITEM]]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that it has signed itself, in one file."""
    key, made = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )
    both = tmp_path / "both.pem"
    both.write_text(key.read_text() + made.read_text())
    return both


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    """Nothing is sent to a server that is not known to be who it says."""
    with Server(certificate=certificate) as server:
        with pytest.raises(IndexFailed, match=r"does not answer: URLError: .*CERTIFICATE_VERIFY_FAILED"):
            indexer(server).look()
        assert server.requests == []


def test_a_certificate_that_the_machine_trusts_is_taken(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenSSL finds it: here by `SSL_CERT_FILE`."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with Server(certificate=certificate) as server:
        indexer(server).tell(ONE, never)
        assert server.calls == [["-i", ITEM]]


@pytest.mark.parametrize("url", ["", "example.org/server", "ftp://example.org/server", "https://a:b@example.org/server"])
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    """Before anything is sent, and without a password in the message."""
    with pytest.raises(ConfigError) as raised:
        Session(url, ADMIN, PASSWORD)
    assert "a:b" not in str(raised.value)
