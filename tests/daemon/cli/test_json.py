"""`--json` prints one document, of stable keys, whatever happens."""

from __future__ import annotations

import json

from tests.daemon.cli.place import Place

KEYS = {
    ("status",): {"log", "blobs", "capture", "replay", "lag", "index", "verified", "checked", "copied"},
    ("verify",): {"equal", "lsn", "compared", "more", "local", "seconds", "differences"},
    ("verify", "--log"): {"complete", "bytes_read", "findings", "more", "damaged", "last", "open", "contents", "read",
                          "read_since", "covered", "lost"},
    ("check",): {"ok", "preconditions"},
    ("check", "--losses"): {"driver", "version", "read", "objects", "losses"},
    ("losses",): {"losses", "objects"},
    ("log",): {"end", "events"},
    ("park",): {"parked"},
    ("park", "list"): {"parked"},
    ("slot", "show"): {"name", "exists"},
    ("config", "show"): {"kafka", "source", "log", "blobs", "target", "people", "index", "retention", "copy", "run"},
    ("config", "check"): {"ok", "file", "sections"},
    ("config", "example"): {"example"},
    ("sequences",): {"dry_run", "sequences"},
    ("init",): {"dry_run", "steps"},
    ("snapshot", "--dry-run"): {"dry_run", "objects", "slot_would_be_made"},
    ("snapshot",): {"captured", "slot_made", "objects", "position", "parked"},
    ("replay", "--dry-run"): {"dry_run", "from", "until", "position", "again", "inexact", "notes", "events"},
    ("replay",): {"applied", "sequences", "position", "parked", "inexact", "notes", "indexed", "drifted", "differing",
                  "losses"},
    ("park", "retry", "--all"): {"released", "parked", "asked", "dry_run"},
    ("run", "--until-current"): {"captured", "applied", "sequences", "position", "parked", "indexed", "losses"},
}


def test_every_result_is_one_document_of_known_keys(replicated: Place) -> None:
    """Programs may rely on these keys."""
    for verb, keys in KEYS.items():
        done = replicated.good(*verb, "--json")
        assert set(done.json) == keys, verb


def test_an_error_is_a_document_too(place: Place) -> None:
    """On standard output if nothing else is there, with class, message, hint and exit code."""
    place.configure(source="postgresql://127.0.0.1:1/x")
    done = place("snapshot", "--json")
    assert done.code == 6
    assert set(done.json) == {"error", "message", "hint", "exit_code"}
    assert (done.json["error"], done.json["exit_code"]) == ("SourceUnreachable", 6)


def test_messages_are_json_lines_if_asked(place: Place) -> None:
    """Each with time, level and event; the error that ends it is the last."""
    place.configure(source="postgresql://127.0.0.1:1/x")
    done = place("snapshot", options=("--log-format", "json"))
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert lines[-1]["exit_code"] == 6


def test_the_daemon_says_what_it_does_in_json_lines(replicated: Place) -> None:
    """Every line is a document."""
    daemon = replicated.process("run")
    replicated.says("replay.begins")
    replicated.stop(daemon)
    lines = [json.loads(line) for line in replicated.messages().splitlines()]
    assert {"started", "stopped"} <= {line["event"] for line in lines}
    assert all({"time", "level", "event"} <= set(line) for line in lines)
