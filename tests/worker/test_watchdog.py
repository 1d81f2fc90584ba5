"""The signs of life of a worker: what is a fault, what is not, and how long one must last."""

from typing import Any

import pytest

from kaboom.worker.main_process import FRESH_S, PATIENCE_S, REPORT_FRESH_S, SICK_S, Liveness, Watchdog

NOW = 1_000.0
LONG = FRESH_S + 1


def liveness(**signs: Any) -> Liveness:
    """Return the signs of a worker that is healthy at `NOW`; `signs` override."""
    fresh: dict[str, Any] = {"consumer_at": NOW, "loop_at": NOW, "broker_at": NOW, "taken_at": NOW, "children": 4}
    return Liveness(slots=4, longest_task_s=1860, **(fresh | signs))


class TestFaults:
    def test_a_healthy_worker_has_no_fault(self) -> None:
        assert liveness().faults(NOW) == {}

    @pytest.mark.parametrize(
        ("part", "signs"),
        [
            ("loop", {"loop_at": NOW - LONG}),
            ("consumer", {"consumer_at": NOW - LONG}),
            ("consumer", {"consumer_at": None}),
            ("consumer", {"waiting": 3, "busy": 1, "taken_at": NOW - LONG}),
            ("pool", {"children": 0}),
            ("tasks", {"oldest_task_s": 1861}),
        ],
    )
    def test_a_part_without_its_sign_is_named(self, part: str, signs: dict[str, float]) -> None:
        assert list(liveness(**signs).faults(NOW)) == [part]

    def test_an_unavailable_broker_is_no_fault_of_the_consumer(self) -> None:
        away = liveness(broker_at=NOW - LONG, consumer_at=NOW - LONG, waiting=3, taken_at=NOW - LONG)
        assert away.faults(NOW) == {}

    def test_the_words_say_what_was_seen(self) -> None:
        fault = liveness(waiting=12, busy=1, taken_at=NOW - 42).faults(NOW)["consumer"]
        assert fault == "12 messages wait, 3 of 4 slots are free, none taken for 42 s"


class TestTaking:
    def test_a_full_pool_and_an_empty_queue_have_nothing_to_take(self) -> None:
        signs = liveness(taken=7, taken_at=0.0)
        signs.see_pool(NOW, taken=7, busy=4, children=4, oldest_task_s=0)
        assert signs.taken_at == NOW
        signs.see_pool(NOW + 1, taken=7, busy=3, children=4, oldest_task_s=0)
        assert signs.taken_at == NOW
        signs.see_broker(NOW + 2, waiting=0)
        assert signs.taken_at == NOW + 2

    def test_only_taken_messages_prove_that_a_consumer_works(self) -> None:
        signs = liveness(taken=7, taken_at=0.0)
        signs.see_broker(NOW, waiting=1)
        assert signs.taken_at == 0.0
        signs.see_pool(NOW, taken=8, busy=1, children=4, oldest_task_s=0)
        assert signs.taken_at == NOW


def test_a_heartbeat_is_missed_when_others_forget_it() -> None:
    signs = liveness()
    assert signs.heartbeat_fault(NOW) == "not written yet"
    signs.reported_at = NOW
    assert signs.heartbeat_fault(NOW + REPORT_FRESH_S) == ""
    assert signs.heartbeat_fault(NOW + REPORT_FRESH_S + 1) == "last written 21 s ago"


class TestWatchdog:
    def test_it_ends_the_process_once_and_only_for_a_fault_that_lasts(self) -> None:
        ends: list[str] = []
        signs = liveness()
        dog = Watchdog(signs, ends.append)
        for second in range(int(PATIENCE_S)):
            dog.look(NOW + LONG + second, elapsed_s=1.0)
        assert ends == []
        dog.look(NOW + LONG + PATIENCE_S, elapsed_s=1.0)
        assert ends == ["the event loop has not run for 71 s"]

    def test_a_fresh_sign_ends_the_count(self) -> None:
        ends: list[str] = []
        signs = liveness()
        dog = Watchdog(signs, ends.append)
        dog.look(NOW + LONG, elapsed_s=PATIENCE_S)
        assert set(dog.lasting()) == {"loop"}
        signs.loop_at = signs.consumer_at = signs.broker_at = signs.taken_at = NOW + LONG
        dog.look(NOW + LONG, elapsed_s=1.0)
        assert dog.lasting() == {}
        signs.loop_at = NOW
        dog.look(NOW + LONG, elapsed_s=PATIENCE_S)
        assert ends == []

    def test_a_process_that_was_stopped_is_not_taken_for_a_stuck_one(self) -> None:
        ends: list[str] = []
        dog = Watchdog(liveness(), ends.append)
        # An hour has passed, of which this process ran two seconds.
        dog.look(NOW + 3600, elapsed_s=2.0)
        assert (ends, dog.lasting()) == ([], {})

    def test_sick_comes_before_dead(self) -> None:
        dog = Watchdog(liveness(), lambda _: None)
        dog.look(NOW + LONG, elapsed_s=SICK_S)
        assert dog.lasting() == {}
        dog.look(NOW + LONG, elapsed_s=1.0)
        assert dog.lasting()["loop"] == SICK_S + 1
