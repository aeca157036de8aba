"""Another database behind the same source is noticed before anything is captured from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.scratch import Cluster
from daemon.source.identity import accept, identify, observed
from daemon.source.state import SEEN
from events.errors import NotDSpace, SourceChanged
from tests.daemon.source.site import Site


def test_the_identity_is_the_sites_uuid_or_the_configured_name(site: Site) -> None:
    """It is remembered; asking again changes nothing."""
    uuid = site.sql("select uuid::text from site")[0][0]
    connection = site.connect()
    assert identify(connection, site.state) == uuid == identify(connection, site.state)
    with pytest.raises(SourceChanged, match="identity"):
        identify(connection, site.state, "another name")
    connection.close()


def test_a_copy_of_the_database_is_another_one(site: Site, cluster: Cluster) -> None:
    """A dump that was restored, even in the same cluster, has another oid; it is taken over only on purpose."""
    connection = site.connect()
    identify(connection, site.state, "main")
    connection.close()
    site.writer.close()
    site.emitter.close()
    site.dsn = cluster.create(f"{site.database}_copy", site.database)
    copy = site.connect()
    with pytest.raises(SourceChanged, match="oid") as caught:
        identify(copy, site.state, "main")
    assert "aipstream snapshot" in caught.value.hint
    accept(site.state, observed(copy), "main")
    assert identify(copy, site.state, "main") == "main"
    copy.close()
    cluster.drop(f"{site.database}_copy")


def test_a_database_that_was_set_back_is_noticed(site: Site) -> None:
    """Its WAL ends long before what was captured; a few bytes that a crash lost are no reason to stop."""
    connection = site.connect()
    identify(connection, site.state)
    lsn = observed(connection).lsn
    assert lsn is not None
    site.state.remember(meta={SEEN: str(lsn + 1000)})
    identify(connection, site.state)
    site.state.remember(meta={SEEN: str(lsn + (1 << 40))})
    with pytest.raises(SourceChanged, match="WAL"):
        identify(connection, site.state)
    accept(site.state, observed(connection), observed(connection).site)
    identify(connection, site.state)
    connection.close()


def test_a_database_without_a_site_is_refused(site: Site, tmp_path: Path) -> None:
    """There is exactly one site in a DSpace."""
    site.sql("delete from site")
    connection = site.connect()
    with pytest.raises(NotDSpace, match="no site"):
        identify(connection, site.state)
    connection.close()
