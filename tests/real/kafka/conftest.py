"""One broker for all tests of this folder; each makes a topic of its own."""

from __future__ import annotations

from tests.chaos.conftest import begun, small
from tests.real.kafka.fixtures import broker, kafka_place

__all__ = ["begun", "broker", "kafka_place", "small"]
