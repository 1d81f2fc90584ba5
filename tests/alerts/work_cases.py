"""Cases of the alerts on workers, jobs, ingests and providers."""

from tests.alerts.cases import Case

_CHUNKS, _EXPIRED = "kaboom_chunks_total", "kaboom_leases_expired_total"
_ONLINE, _LOST = "kaboom_workers_online", "kaboom_workers_lost"
_DEPTH, _OLDEST = "kaboom_queue_depth", "kaboom_queue_oldest_seconds"
_DEAD, _RESTORED = "kaboom_dead_letters_total", "kaboom_jobs_restored_total"
_BACKFILL = "kaboom_backfill_age_seconds"
_OVERDUE, _PAUSED = "kaboom_ingest_overdue_seconds", "kaboom_provider_paused_seconds_total"


def _chunks(ending: str, instance: str = "a", task: str = "ingest.chunk") -> str:
    return f'{_CHUNKS}{{task="{task}",ending="{ending}",instance="{instance}"}}'


_OF_ERRORS = (
    Case(
        "KaboomWorkerErrors",
        "six in a minute, by two workers, tasks and kinds",
        {
            _chunks("broken"): "0 0 1 3 3 3 3",
            _chunks("broken", "b"): "0 0 0 1 1 1 1",
            _chunks("failed", "b", "ingest.run_daily"): "7 7 7 8 8 8 8",
            f'{_EXPIRED}{{queue="ingest",instance="b"}}': "0 0 0 1 1 1 1",
            _chunks("done"): "0+100x6",
        },
        silent=(60, 120),
        firing={90: [{}]},
    ),
    *(
        Case(
            "KaboomWorkerErrors", f"six of one kind: {series}", {series: "0 0 6 6 6 6"}, silent=(30,), firing={60: [{}]}
        )
        for series in (
            _chunks("broken"),
            _chunks("failed"),
            _chunks("stalled"),
            f'{_EXPIRED}{{queue="ingest",instance="a"}}',
        )
    ),
    Case("KaboomWorkerErrors", "exactly five in a minute", {_chunks("broken"): "0 0 2 5 5 5 5"}, silent=(60, 90, 120)),
    Case("KaboomWorkerErrors", "four each minute", {_chunks("broken"): "0+2x30"}, silent=tuple(range(0, 900, 30))),
    Case(
        "KaboomWorkerErrors",
        "what is no error",
        {_chunks(ending): "0+100x20" for ending in ("done", "released", "paused", "lost", "cancelled", "planned")},
        silent=(60, 300, 600),
    ),
    Case(
        "KaboomWorkerErrors",
        "a worker begins anew, and another one comes",
        {_chunks("broken"): "40 40 40 0 0 0 1 1", _chunks("broken", "b"): "_x4 0 0 1 1"},
        silent=tuple(range(0, 240, 30)),
    ),
)

_OF_WORKERS = (
    Case(
        "KaboomWorkersLost",
        "four in a quarter of an hour, reported by two processes",
        {f'{_LOST}{{instance="{i}"}}': "0 2 4x10 3x10" for i in "ab"},
        silent=(90, 390),
        firing={120: [{}], 360: [{}]},
    ),
    Case(
        "KaboomWorkersLost",
        "three, reported by two processes",
        {f'{_LOST}{{instance="{i}"}}': "3x20" for i in "ab"},
        silent=(60, 600),
    ),
    Case(
        "KaboomWorkersLost",
        "all at once, and back within a minute: Redis was away",
        {f'{_LOST}{{instance="a"}}': "0 5 5 0x10"},
        silent=tuple(range(0, 300, 30)),
    ),
    Case(
        "KaboomNoWorker",
        "messages wait and nobody is there, until one comes",
        {f'{_ONLINE}{{instance="a"}}': "1 0x10 1x10", f'{_DEPTH}{{queue="ingest",instance="a"}}': "0 1x20"},
        silent=(180, 360),
        firing={210: [{}], 330: [{}]},
    ),
    Case(
        "KaboomNoWorker",
        "a job waits whose message was lost",
        {
            f'{_ONLINE}{{instance="a"}}': "0x20",
            f'{_DEPTH}{{queue="ingest",instance="a"}}': "0x20",
            f'{_OLDEST}{{queue="ingest",instance="a"}}': "0 0.5x20",
        },
        silent=(180,),
        firing={210: [{}]},
    ),
    Case(
        "KaboomNoWorker",
        "nothing waits: scaled to zero",
        {
            f'{_ONLINE}{{instance="a"}}': "0x40",
            f'{_DEPTH}{{queue="ingest",instance="a"}}': "0x40",
            f'{_OLDEST}{{queue="ingest",instance="a"}}': "0x40",
        },
        silent=(180, 1200),
    ),
    Case(
        "KaboomNoWorker",
        "one process has not yet heard of the worker that another one tells of",
        {
            f'{_ONLINE}{{instance="a"}}': "0x20",
            f'{_ONLINE}{{instance="b"}}': "1x20",
            f'{_DEPTH}{{queue="ingest",instance="a"}}': "5x20",
        },
        silent=(180, 600),
    ),
    Case(
        "KaboomNoWorker",
        "one worker is there, and much waits",
        {f'{_ONLINE}{{instance="a"}}': "1x20", f'{_DEPTH}{{queue="ingest",instance="a"}}': "900x20"},
        silent=(180, 600),
    ),
)

_OF_JOBS = (
    Case(
        "KaboomChunksWaiting",
        "chunks of two workers wait for a quarter of an hour, and go on",
        {_chunks("waiting"): "0x4 0+1x15 15x60", _chunks("waiting", "b"): "0x19 1+1x15 16x60"},
        silent=(750, 1170),
        firing={780: [{}], 1140: [{}]},
    ),
    Case(
        "KaboomChunksWaiting",
        "one pause of all chunks, and much else",
        {
            _chunks("waiting"): "0x4 400x60",
            **{_chunks(ending): "0+100x60" for ending in ("done", "paused", "released")},
        },
        silent=tuple(range(0, 1800, 30)),
    ),
    Case(
        "KaboomQueueOld",
        "a job of one queue has waited for more than ten minutes, reported by two processes",
        {f'{_OLDEST}{{queue="ingest",instance="{i}"}}': "600x2 601x10 0x5" for i in "ab"}
        | {f'{_OLDEST}{{queue="market_data",instance="a"}}': "550x20"},
        silent=(120, 420),
        firing={150: [{"queue": "ingest"}], 390: [{"queue": "ingest"}]},
    ),
    Case(
        "KaboomQueueOld",
        "exactly ten minutes, reported by two processes",
        {f'{_OLDEST}{{queue="ingest",instance="{i}"}}': "600x20" for i in "ab"},
        silent=(60, 600),
    ),
    *(
        Case(
            alert,
            "one of one queue, while another worker has had some long ago",
            {
                f'{metric}{{queue="ingest",instance="a"}}': "0x9 1x60",
                f'{metric}{{queue="ingest",instance="b"}}': "4x70",
                f'{metric}{{queue="market_data",instance="a"}}': "0x70",
            },
            silent=(270, 1200),
            firing={300: [{"queue": "ingest"}], 1170: [{"queue": "ingest"}]},
        )
        for alert, metric in (("KaboomDeadLetters", _DEAD), ("KaboomJobsRestored", _RESTORED))
    ),
    *(
        Case(
            alert,
            "a worker begins anew",
            {f'{metric}{{queue="ingest",instance="a"}}': "4x9 0x60"},
            silent=tuple(range(0, 1200, 30)),
        )
        for alert, metric in (("KaboomDeadLetters", _DEAD), ("KaboomJobsRestored", _RESTORED))
    ),
)

_OF_INGESTS = (
    Case(
        "KaboomIngestMissed",
        "a session has no ingest at 18:00, and has one later",
        {f'{_OVERDUE}{{market="TSE_PRIME",interval="1m",instance="{i}"}}': "0 0 0.1+30x9 0x5" for i in "ab"}
        | {f'{_OVERDUE}{{market="TSE_PRIME",interval="1d",instance="a"}}': "0x20"},
        silent=(90, 360),
        firing={
            120: [{"market": "TSE_PRIME", "interval": "1m"}],
            330: [{"market": "TSE_PRIME", "interval": "1m"}],
        },
    ),
    Case(
        "KaboomNightlyMissed",
        "four days without a nightly backfill, reported by two processes",
        {f'{_BACKFILL}{{market="TSE_PRIME",instance="{i}"}}': "345600 345630+30x30 60x10" for i in "ab"}
        | {f'{_BACKFILL}{{market="TSE_GROWTH",instance="a"}}': "200000x50"},
        silent=(600, 960),
        firing={630: [{"market": "TSE_PRIME"}], 930: [{"market": "TSE_PRIME"}]},
    ),
    Case(
        "KaboomNightlyMissed",
        "exactly four days, and nobody runs it nightly",
        {f'{_BACKFILL}{{market="TSE_PRIME",instance="{i}"}}': "345600x60" for i in "ab"},
        silent=(600, 1200),
    ),
    Case("KaboomIngestMissed", "nothing is ingested daily", {f'{_ONLINE}{{instance="a"}}': "1x20"}, silent=(60, 600)),
    Case(
        "KaboomProviderPaused",
        "two workers have had it left alone for more than half an hour of one",
        {
            f'{_PAUSED}{{provider="jquants",instance="a"}}': "0x129 900x200",
            f'{_PAUSED}{{provider="jquants",instance="b"}}': "0x149 901x200",
            f'{_PAUSED}{{provider="yahoo",instance="a"}}': "0x300",
        },
        silent=(4470, 7500),
        firing={4500: [{"provider": "jquants"}], 7470: [{"provider": "jquants"}]},
    ),
    Case(
        "KaboomProviderPaused",
        "a quarter of each hour, and half of one hour exactly",
        {
            f'{_PAUSED}{{provider="jquants",instance="a"}}': "0x119 900x119 1800x119 2700x119 3600x119",
            f'{_PAUSED}{{provider="yahoo",instance="a"}}': "0x129 1800x400",
        },
        silent=tuple(range(3600, 17_000, 600)),
    ),
)

WORK_CASES = _OF_ERRORS + _OF_WORKERS + _OF_JOBS + _OF_INGESTS
