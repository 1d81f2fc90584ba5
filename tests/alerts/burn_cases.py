"""Cases of the alerts on burn rates: the shares of failed and of slow requests, each in a short and a long window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tests.alerts.cases import Case

#: Requests in each step.
_ALL = 1000


@dataclass(frozen=True)
class _Burn:
    """An alert, its windows in seconds, the share above which it fires, and what is bad of a request."""

    alert: str
    short_s: int
    long_s: int
    share: float
    is_slow: bool
    step_s: int
    #: When the story of `_begin_and_end` begins and ends to fire.
    first_s: int
    last_s: int


_BURNS = (
    _Burn("KaboomApiErrors", 300, 3600, 0.072, is_slow=False, step_s=60, first_s=8400, last_s=10_080),
    _Burn("KaboomApiErrorsSlow", 1800, 21_600, 0.03, is_slow=False, step_s=300, first_s=50_400, last_s=60_600),
    _Burn("KaboomApiSlow", 300, 3600, 0.144, is_slow=True, step_s=60, first_s=8400, last_s=10_080),
    _Burn("KaboomApiSlowLong", 1800, 21_600, 0.06, is_slow=True, step_s=300, first_s=50_400, last_s=60_600),
)


def _write(pieces: Sequence[tuple[int, float]], step_s: int) -> str:
    """Return a counter that grows for some seconds by a number each step, then by another one."""
    words, value = [], 0.0
    for seconds, by in pieces:
        steps = seconds // step_s
        words.append(f"{value:g}+{by:g}x{steps - 1}")
        value += by * steps
    return " ".join([*words, f"{value:g}"])


def _tell(burn: _Burn, pieces: Sequence[tuple[int, float]], requests: float = _ALL) -> Mapping[str, str]:
    """Return the series of two processes, of which for some seconds a share is bad, then another one."""
    good = _write([(seconds, requests * (1 - share)) for seconds, share in pieces], burn.step_s)
    bad = _write([(seconds, requests * share) for seconds, share in pieces], burn.step_s)
    half_good = _write([(seconds, requests * (1 - share) / 2) for seconds, share in pieces], burn.step_s)
    half = _write([(seconds, requests * share / 2) for seconds, share in pieces], burn.step_s)
    busy = _write([(seconds, 10 * _ALL) for seconds, _ in pieces], burn.step_s)
    if burn.is_slow:
        return _tell_times(good, bad, busy)
    name = "kaboom_http_requests_total"
    return {
        f'{name}{{method="GET",route="/api/v1/ingest/jobs",status="200",instance="a"}}': half_good,
        f'{name}{{method="GET",route="/api/v1/ingest/jobs",status="200",instance="b"}}': half_good,
        f'{name}{{method="GET",route="/api/v1/ingest/jobs",status="500",instance="a"}}': half,
        f'{name}{{method="POST",route="/api/v1/ingest/run-daily",status="503",instance="b"}}': half,
        f'{name}{{method="GET",route="/readyz",status="503",instance="b"}}': busy,
        f'{name}{{method="GET",route="/healthz",status="200",instance="b"}}': busy,
    }


def _tell_times(good: str, bad: str, busy: str) -> Mapping[str, str]:
    none = "0x4000"
    name = "kaboom_http_request_seconds"
    series: dict[str, str] = {}
    # One process answers all requests in time, and the other one none; nobody waits for streams.
    for instance, kind, at_1_s, all_of_it in (
        ("a", "read", good, good),
        ("b", "write", none, bad),
        ("b", "wait", none, busy),
    ):
        labels = f'kind="{kind}",instance="{instance}"'
        series |= {
            f'{name}_bucket{{{labels},le="0.5"}}': none,
            f'{name}_bucket{{{labels},le="1.0"}}': at_1_s,
            f'{name}_bucket{{{labels},le="2.5"}}': all_of_it,
            f'{name}_bucket{{{labels},le="+Inf"}}': all_of_it,
            f"{name}_count{{{labels}}}": all_of_it,
        }
    return series


def _cases_of(burn: _Burn) -> Sequence[Case]:
    quiet_s, much, now_s = 2 * burn.long_s, 3.1 * burn.share, 4 * burn.long_s + 2 * burn.short_s
    before = (4 * burn.long_s, much)
    after = 3 * burn.short_s
    few, fewer = (110, 90) if burn.is_slow else (24, 18)
    share = 0.5
    each_s = burn.long_s // burn.step_s
    cases = (
        Case(
            burn.alert,
            "bad for three quarters of the long window, and good again",
            _tell(burn, [(quiet_s, 0), (burn.long_s * 3 // 4, much), (burn.long_s, 0)]),
            silent=(burn.first_s - burn.step_s, burn.last_s + burn.step_s),
            firing={burn.first_s: [{}], burn.last_s: [{}]},
        ),
        Case(
            burn.alert,
            "a little too much lately",
            _tell(burn, [before, (after, burn.share * 1.04)]),
            firing={now_s: [{}]},
        ),
        Case(burn.alert, "a little less lately", _tell(burn, [before, (after, burn.share * 0.97)]), silent=(now_s,)),
        Case(burn.alert, "nothing bad", _tell(burn, [(5 * burn.long_s, 0)]), silent=(burn.short_s, now_s)),
        Case(burn.alert, "nobody asks", _tell(burn, [(5 * burn.long_s, 0)], requests=0), silent=(burn.short_s, now_s)),
        Case(
            burn.alert,
            "few requests, and enough to tell",
            _tell(burn, [(2 * burn.long_s, share)], requests=few / each_s),
            firing={burn.long_s + 600: [{}]},
        ),
        Case(
            burn.alert,
            "too few requests to tell",
            _tell(burn, [(2 * burn.long_s, share)], requests=fewer / each_s),
            silent=(burn.long_s + 600,),
        ),
    )
    return [replace(case, step_s=burn.step_s) for case in cases]


BURN_CASES = tuple(case for burn in _BURNS for case in _cases_of(burn))
