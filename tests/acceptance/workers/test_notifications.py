"""Each receiver gets each event exactly once, through killed workers and an outage."""

from pathlib import Path

from tests.fixtures.notifications.outage import tell_through_an_outage


def test_each_receiver_gets_each_event_once(open_tmp: Path) -> None:
    tell_through_an_outage(open_tmp / "data", outage_s=6)
