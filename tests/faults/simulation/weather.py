"""What a seed has in store: how often calls fail and messages stray, and which blows fall."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Blow(StrEnum):
    """What befalls a process or a server in the storm."""

    KILL = "kill"  # SIGKILL at whatever await it is
    STOP = "stop"  # SIGTERM: tasks are cancelled, and killed 4 s later
    FREEZE = "freeze"  # SIGSTOP, and SIGCONT when its leases are long gone
    REDIS_DOWN = "redis_down"
    REDIS_BACK = "redis_back"  # a failover that loses the last seconds
    REDIS_LOST = "redis_lost"
    LEDGER_DOWN = "ledger_down"
    CLOCK = "clock"  # a server's clock jumps
    QUEUE_LOST = "queue_lost"


@dataclass(frozen=True, slots=True)
class Weather:
    """Probabilities for each call or message, seconds, and the blows that fall every so often."""

    refused: float = 0.0  # fails before its effect
    unanswered: float = 0.0  # fails after its effect
    repeated: float = 0.0  # Redis only: the driver tries again on a dropped connection, and it happens twice
    slow: float = 0.0
    dropped: float = 0.0
    doubled: float = 0.0
    shuffled: float = 0.0
    broken: float = 0.0  # a handler raises, or hands its chunk back for a while
    hung: float = 0.0  # a handler never returns
    blows: tuple[Blow, ...] = ()
    every_s: float = 5.0
    storm_s: float = 30.0
    jobs: int = 2
    workers: int = 2


CALM = Weather()


def forecast(rng: Random) -> Weather:
    """Return a seed's weather: each has some of the faults only, so that none hides behind another."""

    def maybe(most: float) -> float:
        return rng.uniform(0, most) if rng.random() < 0.4 else 0.0

    return Weather(
        refused=maybe(0.1),
        unanswered=maybe(0.1),
        repeated=maybe(0.1),
        slow=maybe(0.1),
        dropped=maybe(0.3),
        doubled=maybe(0.4),
        shuffled=maybe(0.5),
        broken=maybe(0.4),
        hung=maybe(0.05),
        blows=tuple(blow for blow in Blow if rng.random() < 0.4),
        every_s=rng.choice((2.0, 5.0, 10.0)),
        storm_s=rng.choice((10.0, 25.0, 45.0)),
        jobs=rng.randint(1, 3),
        workers=rng.randint(1, 3),
    )
