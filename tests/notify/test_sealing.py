"""Sealed URLs during a rotation of their key."""

from kaboom.drivers.encryption import Sealer, parse_sealer

OLD, NEW = "o" * 32, "n" * 32


def sealer(text: str) -> Sealer:
    found = parse_sealer(text)
    assert found is not None
    return found


def test_both_keys_open_and_the_newest_seals_during_a_rotation() -> None:
    both = sealer(f"{NEW} {OLD}")
    assert both.unseal(sealer(OLD).seal("https://a.example/x")) == "https://a.example/x"
    assert sealer(NEW).unseal(both.seal("https://a.example/x")) == "https://a.example/x"
