"""Receivers of notifications that are unavailable for a minute, while workers are killed."""

from pathlib import Path

from tests.fixtures.notifications.outage import tell_through_an_outage


def test_each_receiver_gets_each_event_once_after_a_minute(open_tmp: Path) -> None:
    tell_through_an_outage(open_tmp / "data", outage_s=60)
