"""Failed logins are slowed by account and by address, in a table of bounded size."""

import pytest

from app.accounts import brake as module
from app.accounts.brake import FREE, MOST_ACCOUNT_S, MOST_ADDRESS_S, LoginBrake
from app.errors import TooManyLogins

ADDRESS = "192.0.2.1"


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def wait_of(brake: LoginBrake, account: str | None, address: str) -> float:
    """Return how long an attempt must wait; 0 where it was made."""
    try:
        brake.begin(account, address)
    except TooManyLogins as e:
        return e.retry_after_s or 0
    return 0


def test_each_further_failure_waits_twice_as_long() -> None:
    clock = Hand()
    brake, waits = LoginBrake(clock), []
    for _ in range(FREE):
        assert wait_of(brake, "taro", ADDRESS) == 0
    for number in range(12):
        waits.append(wait_of(brake, "taro", f"198.51.100.{number}"))
        clock.now += waits[-1]
        assert wait_of(brake, "taro", f"198.51.100.{number}") == 0
    assert waits == [1, 2, 4, 8, 16, 32, *[MOST_ACCOUNT_S] * 6]


def test_an_address_is_slowed_over_all_accounts() -> None:
    clock = Hand()
    brake = LoginBrake(clock)
    for number in range(FREE):
        assert wait_of(brake, f"user-{number}", ADDRESS) == 0
    assert wait_of(brake, "another", ADDRESS) == 1
    assert wait_of(brake, "another", "198.51.100.9") == 0
    for _ in range(20):
        clock.now += wait_of(brake, "more", ADDRESS)
        wait_of(brake, None, ADDRESS)
    assert wait_of(brake, None, ADDRESS) == pytest.approx(MOST_ADDRESS_S, abs=1)


def test_attempts_at_once_do_not_pass_together() -> None:
    brake = LoginBrake(Hand())
    assert sum(wait_of(brake, "taro", ADDRESS) == 0 for _ in range(100)) == FREE


def test_a_success_clears_its_account_and_not_its_address() -> None:
    brake = LoginBrake(Hand())
    for _ in range(FREE - 1):
        brake.begin("taro", ADDRESS)
    brake.begin("hana", ADDRESS)
    brake.succeed("hana", ADDRESS)
    assert wait_of(brake, "hana", ADDRESS) == 0
    assert wait_of(brake, "hana", ADDRESS) == 1


def test_failures_are_forgotten_after_an_hour() -> None:
    clock = Hand()
    brake = LoginBrake(clock)
    for _ in range(FREE):
        brake.begin("taro", ADDRESS)
    clock.now += 3601
    assert sum(wait_of(brake, "taro", ADDRESS) == 0 for _ in range(FREE + 1)) == FREE


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 50)
    brake = LoginBrake(Hand())
    for number in range(500):
        brake.begin(f"user-{number}", f"198.51.{number // 250}.{number % 250}")
    assert len(brake) <= 50
