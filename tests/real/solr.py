"""A stand-in of Solr for a real DSpace: it takes what DSpace's indexing sends, and says that it holds nothing.

DSpace's own client (SolrJ) talks to it, in its binary form (javabin). Of what is sent only the unique ids of documents
are read, which stand in it as plain text; of what is asked, every answer is an empty list.
"""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

EMPTY = bytes([2, 0xC1, 0xE0, 0x28]) + b"response" + bytes([12, 0x83, 0x60, 0x60, 0, 0x80])
"""javabin, version 2: a named list of one entry, `response`, a list of 0 documents from 0 on."""

_UNIQUE = re.compile(rb"(Item|Collection|Community|MetadataField)-([0-9a-f]{8}-[0-9a-f-]{27}|\d+)")

BEANS = """<beans xmlns="http://www.springframework.org/schema/beans" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans
    http://www.springframework.org/schema/beans/spring-beans.xsd" default-lazy-init="true">
  <bean id="index-discovery" class="org.dspace.discovery.IndexDiscoveryScriptConfiguration">
    <property name="description" value="tells the index"/>
    <property name="dspaceRunnableClass" value="org.dspace.discovery.IndexClient"/>
  </bean>
  <bean class="org.dspace.discovery.SolrSearchCore"/>
  <bean id="solrHttpConnectionPoolService" class="org.dspace.service.impl.HttpConnectionPoolService">
    <constructor-arg name="configPrefix" value="solr"/>
  </bean>
  <alias name="org.dspace.discovery.SolrServiceImpl" alias="org.dspace.discovery.SearchService"/>
  <alias name="org.dspace.discovery.SolrServiceImpl" alias="org.dspace.discovery.IndexingService"/>
</beans>
"""

_PLAIN = '<bean class="org.dspace.discovery.configuration.DiscoveryConfigurationService"/>'
_WITH_DEFAULT = """<bean class="org.dspace.discovery.configuration.DiscoveryConfigurationService">
    <property name="map"><map><entry key="default" value-ref="plainDiscovery"/></map></property>
  </bean>
  <bean id="plainDiscovery" class="org.dspace.discovery.configuration.DiscoveryConfiguration">
    <property name="searchFilters"><list/></property>
  </bean>"""


class Solr:
    """`with Solr() as solr`: `solr.url`; `solr.indexed` are the documents that came, as (type, id)."""

    def __init__(self) -> None:
        self.indexed: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self.hangs_up = False
        """Whether updates are not answered: Solr is ended while it is told."""

    def __enter__(self) -> Self:
        handler = type("Bound", (_Handler,), {"solr": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/solr/search"
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def forget(self) -> None:
        """What came so far."""
        self.indexed.clear()
        self.asked.clear()

    @property
    def documents(self) -> set[tuple[str, str]]:
        """What was indexed, each once."""
        return set(self.indexed)


class _Handler(BaseHTTPRequestHandler):
    solr: Solr
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def do_POST(self) -> None:
        body, path = self._body(), self.path.split("?")[0].rsplit("/", 1)[1]
        self.solr.asked.append(path)
        if path == "update" and self.solr.hangs_up:
            self.close_connection = True
            return
        if path == "update":
            self.solr.indexed += [(kind.decode(), name.decode()) for kind, name in _UNIQUE.findall(body)]
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(EMPTY)))
        self.end_headers()
        self.wfile.write(EMPTY)

    def do_GET(self) -> None:
        self.do_POST()


def give_index(home: Path, launcher: Path, url: str) -> Path:
    """Let the DSpace in that folder know the script index-discovery, and a Solr at that address; its `bin/dspace`.

    As in a DSpace that was installed, the command line has a log of its own.
    """
    api = home / "config" / "spring" / "api"
    rig = (api / "rig.xml").read_text()
    assert _PLAIN in rig
    (api / "rig.xml").write_text(rig.replace(_PLAIN, _WITH_DEFAULT))
    (api / "index.xml").write_text(BEANS)
    with (home / "config" / "local.cfg").open("a") as settings:
        settings.write(f"\ndiscovery.search.server = {url}\nsolr.server = {url.rsplit('/', 1)[0]}\n")
    log = home / "config" / "log4j2-cli.xml"
    assert "/log/dspace.log" in log.read_text()
    log.write_text(log.read_text().replace("/log/dspace.log", "/log/dspace-cli.log"))
    command = home / "bin" / "dspace"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{launcher}" "{home}" "$@"\n')
    command.chmod(0o755)
    return command
