"""Cases of the alerts on Redis, and of those on metrics that are missing."""

from tests.alerts.cases import Case

_CPU = "kaboom_redis_cpu_seconds"
_USED, _MAX = "kaboom_redis_memory_used_bytes", "kaboom_redis_memory_max_bytes"
_ONLINE, _DEAD = "kaboom_workers_online", "kaboom_dead_letters_total"

# 30 s of one CPU a step are 100 %: 24 are 80 %, 21 are 70 %, 3 are 10 %. It takes two minutes until a mean of two is
# all of a load that begins.
_OF_CPU = (
    Case(
        "KaboomRedisCpuHigh",
        "80 % for ten minutes, from 300 s to 900 s",
        {f'{_CPU}{{redis="state",instance="a"}}': "0+3x10 54+24x19 513+3x10"},
        silent=(690, 930),
        firing={720: [{"redis": "state"}], 900: [{"redis": "state"}]},
    ),
    Case(
        "KaboomRedisCpuHigh",
        "exactly 70 %",
        {f'{_CPU}{{redis="state",instance="a"}}': "0+3x10 51+21x40"},
        silent=(720, 1200),
    ),
    Case(
        "KaboomRedisCpuHigh",
        "a little more",
        {f'{_CPU}{{redis="state",instance="a"}}': "0+3x10 51.3+21.3x40"},
        firing={720: [{"redis": "state"}]},
    ),
    Case(
        "KaboomRedisCpuHigh",
        "two processes tell of one server that is at 50 %",
        {f'{_CPU}{{redis="state",instance="{instance}"}}': "0+15x40" for instance in "ab"},
        silent=(420, 900),
    ),
    Case(
        "KaboomRedisCpuHigh",
        "of two servers one is busy",
        {f'{_CPU}{{redis="{name}",instance="a"}}': f"0+{step}x40" for name, step in (("state", 3), ("broker", 24))},
        firing={420: [{"redis": "broker"}]},
    ),
    Case(
        "KaboomRedisCpuHigh",
        "six busy minutes, of which four mean too much",
        {f'{_CPU}{{redis="state",instance="a"}}': "0+3x10 54+24x11 321+3x30"},
        silent=tuple(range(300, 1200, 30)),
    ),
    Case(
        "KaboomRedisCpuHigh",
        "a failover to a server that has run for longer, and one that begins anew",
        {f'{_CPU}{{redis="state",instance="a"}}': "100+3x20 3800+3x20 0+3x20"},
        silent=tuple(range(600, 1800, 30)),
    ),
)

_OF_MEMORY = (
    Case(
        "KaboomRedisMemoryHigh",
        "70 % for ten minutes",
        {
            f'{_USED}{{redis="state",instance="a"}}': "699 700x20 699x10",
            f'{_MAX}{{redis="state",instance="a"}}': "1000x40",
        },
        silent=(300, 660),
        firing={330: [{"redis": "state"}], 630: [{"redis": "state"}]},
    ),
    Case(
        "KaboomRedisMemoryHigh",
        "a little less",
        {f'{_USED}{{redis="state",instance="a"}}': "699x40", f'{_MAX}{{redis="state",instance="a"}}': "1000x40"},
        silent=(330, 900),
    ),
    Case(
        "KaboomRedisMemoryHigh",
        "two processes tell of one server that is at 40 %",
        {f'{_USED}{{redis="state",instance="{i}"}}': "400x40" for i in "ab"}
        | {f'{_MAX}{{redis="state",instance="{i}"}}': "1000x40" for i in "ab"},
        silent=(330, 900),
    ),
    Case(
        "KaboomRedisMemoryHigh",
        "no limit is known",
        {f'{_USED}{{redis="state",instance="a"}}': "9000x40"},
        silent=(330, 900),
    ),
    Case(
        "KaboomRedisMemoryHigh",
        "of two servers one is full, which only one process tells",
        {f'{_USED}{{redis="state",instance="a"}}': "100x40", f'{_MAX}{{redis="state",instance="a"}}': "1000x40"}
        | {f'{_USED}{{redis="broker",instance="b"}}': "900x40", f'{_MAX}{{redis="broker",instance="b"}}': "1000x40"},
        firing={300: [{"redis": "broker"}]},
    ),
)

_OF_METRICS = (
    Case(
        "KaboomStoreAway",
        "the gauges of all processes go, and come back",
        {f'{_ONLINE}{{instance="a"}}': "1x3 stale _x10 1x10", f'{_DEAD}{{queue="ingest",instance="a"}}': "0x40"},
        silent=(210, 450),
        firing={240: [{}], 420: [{}]},
    ),
    Case(
        "KaboomStoreAway",
        "one process of two cannot read",
        {
            f'{_ONLINE}{{instance="a"}}': "1x3 stale _x30",
            f'{_ONLINE}{{instance="b"}}': "0x40",
            f'{_DEAD}{{queue="ingest",instance="a"}}': "0x40",
        },
        silent=(240, 900),
    ),
    Case("KaboomStoreAway", "nothing at all is told, of which another alert tells", {"up": "0x40"}, silent=(240, 1200)),
    Case(
        "KaboomMetricsMissing",
        "nothing runs for a while",
        {f'{_DEAD}{{queue="ingest",instance="a"}}': "0x3 stale _x30 0x10"},
        silent=(690, 1050),
        firing={720: [{}], 1020: [{}]},
    ),
    Case(
        "KaboomMetricsMissing",
        "nothing has ever been told",
        {"up": "1x60"},
        silent=(570,),
        firing={600: [{}]},
    ),
    Case(
        "KaboomMetricsMissing",
        "one process goes, and the next one comes",
        {
            f'{_DEAD}{{queue="ingest",instance="a"}}': "0x3 stale",
            f'{_DEAD}{{queue="ingest",instance="b"}}': "_x15 2x30",
        },
        silent=(450, 720, 900),
    ),
)

_HEALTH = 'kaboom_http_requests_total{method="GET",route="/healthz",status="200",instance='
_OF_RESTARTS = (
    Case(
        "KaboomApiRestarts",
        "four restarts, at 180, 360, 540 and 720 s",
        {f'{_HEALTH}"a"}}': "0+3x5 1+3x5 1+3x5 1+3x5 1+3x60"},
        silent=(690, 1080),
        firing={720: [{}], 1050: [{}]},
    ),
    Case("KaboomApiRestarts", "three restarts", {f'{_HEALTH}"a"}}': "0+3x5 1+3x5 1+3x5 1+3x60"}, silent=(570, 900)),
    Case(
        "KaboomApiRestarts",
        "two processes that are restarted twice, as a release does it",
        {f'{_HEALTH}"{name}"}}': "0+3x5 1+3x5 1+3x60" for name in "ab"},
        silent=(420, 900),
    ),
    Case(
        "KaboomApiRestarts",
        "a new process at a new address each time, as on Cloud Run",
        {f'{_HEALTH}"{n}"}}': f"{'_x' + str(6 * n) + ' ' if n else ''}1+3x5 stale" for n in range(6)},
        silent=(720, 900),
    ),
)

_FAILED = "kaboom_failed_logins_total"
_OF_LOGINS = (
    Case(
        "KaboomFailedLogins",
        "60 wrong passwords at one process, and 41 held up at another",
        {
            f'{_FAILED}{{how="password",outcome="wrong",instance="a"}}': "0x19 60x100",
            f'{_FAILED}{{how="password",outcome="held",instance="b"}}': "0x29 41x100",
        },
        silent=(600, 870, 1200),
        firing={900: [{}], 1170: [{}]},
    ),
    Case(
        "KaboomFailedLogins",
        "exactly 100 in ten minutes",
        {f'{_FAILED}{{how="token",outcome="wrong",instance="a"}}': "0x29 100x100"},
        silent=tuple(range(870, 1600, 30)),
    ),
)

_USED_UP, _MOST = "kaboom_database_connections", "kaboom_database_connections_max"
_SIZE, _DISK, _BACKUP = "kaboom_database_size_bytes", "kaboom_database_disk_bytes", "kaboom_backup_age_seconds"
_OF_DATABASE = (
    Case(
        "KaboomDatabaseConnections",
        "more than 85 % for ten minutes, reported by two processes",
        {f'{_USED_UP}{{instance="{i}"}}': "85 86x20 85x10" for i in "ab"}
        | {f'{_MOST}{{instance="{i}"}}': "100x40" for i in "ab"},
        silent=(300, 660),
        firing={330: [{}], 630: [{}]},
    ),
    Case(
        "KaboomDatabaseConnections",
        "exactly 85 %, and no server reports a limit",
        {f'{_USED_UP}{{instance="{i}"}}': "85x40" for i in "ab"} | {f'{_MOST}{{instance="a"}}': "100x40"},
        silent=(300, 900),
    ),
    Case(
        "KaboomDatabaseFull",
        "more than three quarters, and more disk later",
        {f'{_SIZE}{{instance="{i}"}}': "75 76x60" for i in "ab"}
        | {f'{_DISK}{{instance="{i}"}}': "100x40 200x10" for i in "ab"},
        silent=(600, 1230),
        firing={630: [{}], 1200: [{}]},
    ),
    Case("KaboomDatabaseFull", "the disk is not known", {f'{_SIZE}{{instance="a"}}': "9000x60"}, silent=(600, 1500)),
    Case(
        "KaboomDatabaseFull",
        "exactly three quarters, reported by two processes",
        {f'{_SIZE}{{instance="{i}"}}': "75x60" for i in "ab"} | {f'{_DISK}{{instance="{i}"}}': "100x60" for i in "ab"},
        silent=(600, 1500),
    ),
    Case(
        "KaboomBackupOld",
        "the newest backup of one kind is 26 hours old, and is made then",
        {f'{_BACKUP}{{backup="ledger",instance="{i}"}}': "93600 93630+30x30 60x10" for i in "ab"}
        | {f'{_BACKUP}{{backup="files",instance="a"}}': "60000x60"},
        silent=(600, 960),
        firing={630: [{"backup": "ledger"}], 930: [{"backup": "ledger"}]},
    ),
    Case(
        "KaboomBackupOld",
        "exactly 26 hours, reported by two processes",
        {f'{_BACKUP}{{backup="ledger",instance="{i}"}}': "93600x60" for i in "ab"},
        silent=(600, 1500),
    ),
)

SERVER_CASES = _OF_DATABASE + _OF_CPU + _OF_MEMORY + _OF_METRICS + _OF_RESTARTS + _OF_LOGINS
