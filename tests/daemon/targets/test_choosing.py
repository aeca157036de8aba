"""How several targets are written, chosen and told apart."""

from __future__ import annotations

import pytest

from events.errors import PreconditionError
from tests.daemon.targets.several import Several

SECRET = "s3cr3t-t41l"


def test_the_verbs_that_write_want_one_of_several(place: Several) -> None:
    """The error names them; `--target` and AIPSTREAM_TARGET choose, and an unknown one is answered with the nearest."""
    for verb in (
        ("sequences",),
        ("index",),
        ("restore", "--at", "1"),
        ("replay", "--over-backup"),
        ("park", "retry", "--all"),
    ):
        place.good("snapshot") if verb[0] == "restore" else None
        done = place(*verb)
        assert done.code == 2, verb
        assert "there are several targets: near, far, stock" in done.err
        assert "--target near" in done.err
    done = place("sequences", options=("--target", "nera"))
    assert done.code == 2
    assert "there is no target 'nera'; did you mean 'near'?" in done.err
    assert place("sequences", options=("--target", "near")).code == 0


def test_the_choice_may_stand_in_the_environment(place: Several, monkeypatch: pytest.MonkeyPatch) -> None:
    """And everything is then as with that target alone."""
    monkeypatch.setenv("AIPSTREAM_TARGET", "near")
    assert set(place.good("run", "--until-current", "--json").json) >= {"applied", "position"}
    assert place.differences_of("near") == []
    assert "targets" not in place.status()
    monkeypatch.delenv("AIPSTREAM_TARGET")
    told = place.status()["targets"]
    assert (told["near"]["lag"]["events"], told["far"]["replay"]["position"]) == (0, 0)


def test_every_reading_verb_tells_all_of_them(place: Several) -> None:
    """As a mapping by name in JSON, below a heading in text."""
    place.good("run", "--until-current")
    for verb in (("status",), ("park",), ("losses",), ("check", "--losses"), ("replay", "--dry-run")):
        assert set(place.good(*verb, "--json").json["targets"]) == {"near", "far", "stock"}, verb
        out = place.good(*verb).out
        assert out.index("near:") < out.index("far:") < out.index("stock:")
    where = {one["where"] for one in place("check", "--json").json["preconditions"]}
    assert where >= {"log", "source", "near", "far", "stock"}
    place.write("near", "far")
    verified = place.good("verify", "--json").json["targets"]
    assert verified["near"]["equal"]
    assert verified["far"]["equal"]
    assert place.status()["targets"]["far"]["verified"]["differing"] == 0


def test_the_table_target_is_one_of_several_by_that_name(place: Several) -> None:
    """`[target]` beside `[targets.far]`; its books stay where they were when it was alone."""
    text = place.path.read_text()
    place.path.write_text(text.replace("[targets.near]", "[target]").replace("[targets.stock]", "[targets.other]"))
    place.good("init")
    place.good("run", "--until-current")
    assert list(place.status()["targets"]) == ["target", "far", "other"]
    assert (place.folder / "log.sqlite.state.packager.other").is_dir()
    place.write("stock")
    text = place.path.read_text()
    place.path.write_text(text.replace("[targets.stock]", "[target]"))
    place.good("init")
    assert (place.folder / "log.sqlite.state.packager").is_dir()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("[targets.far.index]\nmod = 'cli'", "unknown key 'mod' in [targets.far.index]; did you mean 'mode'?"),
        ("[targets.far.indx]\nmode = 'cli'", "unknown key 'indx' in [targets.far]; did you mean 'index'?"),
        ("[targets.off_site]\nbatch = 3", "'off_site' is no name of a target"),
        ("[targets.target]\nbatch = 3", "[targets.target] is the name of [target]"),
        ("[index]\nmode = 'cli'", "[index] is of the target of [target], which there is not"),
        ("[targets.more]\nbatch = 'x'", "[targets.more] batch: Expected `int`, got `str`"),
        ("[targets]\nmore = 3", "targets"),
        ("[target.near]\nbatch = 3", "unknown key 'near' in [target]"),
    ],
)
def test_what_is_written_wrongly_is_named(place: Several, lines: str, told: str) -> None:
    """With its table, and with what may be meant."""
    place.write("near", "far", more=lines)
    done = place("config", "check")
    assert done.code == 2, done
    assert told in done.err


def test_variables_go_over_the_file(place: Several, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of an index; one that belongs to no target is an error, for it would do nothing."""
    monkeypatch.setenv("AIPSTREAM_TARGETS_FAR_BATCH", "7")
    monkeypatch.setenv("AIPSTREAM_TARGETS_FAR_INDEX_QUIET_SECONDS", "2.5")
    shown = place.good("config", "show", "--json").json
    assert shown["targets.far"]["batch"] == {"value": 7, "from": "AIPSTREAM_TARGETS_FAR_BATCH"}
    assert shown["targets.far.index"]["quiet_seconds"]["value"] == 2.5
    assert shown["targets.near"]["batch"] == {"value": 500, "from": "default"}
    assert shown["targets.near"]["dsn"]["from"] == "file"
    monkeypatch.setenv("AIPSTREAM_TARGETS_FARR_BATCH", "7")
    done = place("config", "show")
    assert done.code == 2
    assert "did you mean 'AIPSTREAM_TARGETS_FAR_BATCH'?" in done.err


def test_no_secret_of_any_target_is_printed(place: Several) -> None:
    """Neither of a dsn nor of an index, whichever target is asked for."""
    place.write("near")
    place.path.write_text(
        place.path.read_text()
        + f"""
[targets.far]
dsn = "postgresql://nobody:{SECRET}2@127.0.0.1:1/x"
assetstore = "/x"
[targets.far.index]
mode = "rest"
url = "http://127.0.0.1:1/s"
user = "a"
password = "{SECRET}3"
"""
    )
    for verb in (("config", "show"), ("check",), ("status",), ("run", "--until-current"), ("park",), ("losses",)):
        for choice in ((), ("--target", "far"), ("--target", "near")):
            for form in ((), ("--json",)):
                done = place(*verb, *form, options=("--verbose", *choice))
                assert SECRET not in done.out + done.err, (verb, done)
    place.path.write_text(place.path.read_text().replace(f"{SECRET}2", "s3cr3t@t41l"))
    done = place("status")
    assert "[targets.far] dsn: the password has characters" in done.err
    assert "t41l" not in done.err


def test_two_targets_are_never_one_database(place: Several) -> None:
    """By whatever names they are written; nor may one of them be the source."""
    same = f"host=localhost port={place.cluster.port} user=postgres dbname=near_{place.name}"
    place.natives["far"] = same, place.natives["far"][1]
    place.write("near", "far")
    for verb in (("init",), ("replay",), ("run", "--until-current"), ("check",)):
        done = place(*verb)
        assert done.code == PreconditionError.exit_code, (verb, done)
        assert "[targets.near] and [targets.far] are one and the same database" in done.err + done.out or (
            "[targets.far] and [targets.near] are one and the same database" in done.err + done.out
        )
    place.natives["far"] = place.dsn("near"), place.natives["far"][1]
    place.write("near", "far")
    assert "have the same dsn" in place("config", "check").err
    place.natives["far"] = place.source, place.natives["far"][1]
    place.write("near", "far")
    assert "source and target are one and the same database" in place("init").err
