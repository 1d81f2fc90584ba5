"""A mirror with a manifest, in a folder and in a bucket: readers have one state, whatever becomes of a run."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.export.formats import Format
from kaboom.bars.export.manifest import MANIFEST, Manifest
from kaboom.bars.export.publish import MirrorRun, Publication, Published, Watch, plan_run, publish
from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.drivers.bucket import open_objects
from kaboom.drivers.objects import LocalFolder, ObjectFolder
from kaboom.errors import Conflict, InvalidRequest, StoreError
from kaboom.market.bar import BarSeries
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame
from tests.fixtures.servers.buckets import bucket, buckets

pytestmark = pytest.mark.anyio
__all__ = ["bucket", "buckets"]

NOW = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = (date(2025, 10, 31), date(2025, 11, 4))
LATER = frame(bar("7203", at(DAYS[1]), 200.0))


@pytest.fixture
async def store() -> MemoryBarStore:
    """A store of two months of minutes and one day."""
    store = MemoryBarStore()
    for day in DAYS:
        await store.write(MINUTES, frame(bar("7203", at(day)), bar("6758", at(day))))
    await store.write(DAILY, frame(bar("7203", at(DAYS[0]))))
    return store


@pytest.fixture(params=["folder", "bucket"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectFolder:
    place = str(tmp_path / "mirror") if request.param == "folder" else request.getfixturevalue("bucket")
    return open_objects(place)


async def run(store: MemoryBarStore | PageBarStore, folder: ObjectFolder, hours: int = 0) -> Published:
    return await run_wish(store, folder, Publication(NOW + timedelta(hours=hours)))


async def run_wish(store: MemoryBarStore | PageBarStore, folder: ObjectFolder, wish: Publication) -> Published:
    done = await publish(store, folder, await plan_run(store, folder, wish))
    assert done is not None
    return done


def manifest_of(done: Published) -> Manifest:
    assert done.manifest is not None
    return done.manifest


async def load(folder: ObjectFolder) -> Manifest:
    """Return the manifest as a reader finds it; each file is there, and as it says."""
    found = await folder.read(MANIFEST)
    assert found is not None
    return Manifest.parse(found.content, folder.place)


async def read(folder: ObjectFolder) -> pl.DataFrame:
    """Return the minutes that the manifest names, read by polars."""
    manifest = await load(folder)
    paths = [f"{folder.place}/{file.path}" for file in manifest.files if file.interval == "1m"]
    frame = pl.read_parquet(paths)
    assert frame.height == sum(file.bars for file in manifest.files if file.interval == "1m")
    return frame.sort("symbol", "opened_at")


async def test_a_second_run_writes_only_what_changed(store: MemoryBarStore, folder: ObjectFolder) -> None:
    first = await run(store, folder)
    assert [file.key for file in first.files] == [
        ("synthetic", "1d", "2025"), ("synthetic", "1m", "2025-10"), ("synthetic", "1m", "2025-11"),
    ]  # fmt: skip
    assert sorted(first.written) == [file.path for file in first.files]
    assert (await read(folder)).height == 4
    await store.write(MINUTES, LATER)
    second = await run(store, folder, 1)
    assert [name.rpartition("/")[2][:7] for name in second.written] == ["2025-11"]
    assert manifest_of(second).retired == {first.files[2].path: NOW + timedelta(hours=1)}
    assert (await read(folder)).filter(pl.col("close") == 200.0).height == 1
    third = await run(store, folder, 2)
    assert (third.written, third.files) == ((), second.files)


async def test_a_replaced_file_is_deleted_after_the_grace_time(store: MemoryBarStore, folder: ObjectFolder) -> None:
    old = (await run(store, folder)).files[2].path
    await store.write(MINUTES, LATER)
    await run(store, folder, 1)
    assert old in await folder.list_names()
    assert (await run(store, folder, 24)).deleted == ()
    assert (await run(store, folder, 25)).deleted == (old,)
    names = {name for name in await folder.list_names() if not name.endswith(".txt")}
    assert names == {MANIFEST, *(file.path for file in (await load(folder)).files)}


@dataclass(frozen=True)
class Dying:
    """A store that fails at the second month."""

    inner: MemoryBarStore

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    async def read_session(self, series: BarSeries, session: date) -> pl.DataFrame:
        """Fail in November."""
        if session == DAYS[1]:
            raise StoreError("the store is away")
        return await self.inner.read_session(series, session)


async def test_a_run_that_fails_leaves_the_old_state(store: MemoryBarStore, folder: ObjectFolder) -> None:
    before = (await run(store, folder)).manifest
    await store.write(MINUTES, frame(bar("7203", at(DAYS[0]), 300.0)))
    await store.write(MINUTES, LATER)
    with pytest.raises(StoreError, match="the store is away"):
        await run(Dying(store), folder, 1)  # type: ignore[arg-type]  # a store but for one method
    assert await load(folder) == before
    assert (await read(folder))["close"].max() == 100.0
    # What it wrote is kept as long as what a run replaced, and then deleted.
    whole = await run(store, folder, 2)
    assert sum("2025-10" in name for name in manifest_of(whole).retired) == 2
    assert sum("2025-10" in name for name in (await run(store, folder, 26)).deleted) == 2
    assert (await read(folder))["close"].max() == 300.0


async def test_of_two_runs_at_once_the_second_to_end_is_refused(store: MemoryBarStore, bucket: str) -> None:
    folder = open_objects(bucket)
    await run(store, folder)
    ended = list[Published]()

    class Overtaken(MemoryBarStore):
        def known_at(self, moment: datetime) -> MemoryBarStore:
            return self

        async def coverage(self, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
            # The other run begins after this one has read the manifest, and ends first.
            if planned and not ended:
                await store.write(MINUTES, LATER)
                ended.append(await run(store, open_objects(bucket), 1))
            return await super().coverage(series, first=first, last=last)

    slow, planned = Overtaken(), list[MirrorRun]()
    await slow.write(MINUTES, frame(bar("1301", at(DAYS[0]))))
    planned.append(await plan_run(slow, folder, Publication(NOW + timedelta(hours=1))))
    with pytest.raises(Conflict, match=r"another process wrote manifest\.json"):
        await publish(slow, folder, planned[0])
    assert await load(folder) == ended[0].manifest
    assert (await read(folder))["symbol"].unique().sort().to_list() == ["6758", "7203"]


async def test_all_files_are_of_one_moment(tmp_path: Path) -> None:
    store, folder = PageBarStore(tmp_path / "bars"), LocalFolder(tmp_path / "mirror")
    for day in DAYS:
        await store.write(MINUTES, frame(bar("7203", at(day))))

    @dataclass(frozen=True)
    class Corrected:
        """The store, in which both days are corrected after the run began."""

        async def list_series(self) -> tuple[BarSeries, ...]:
            for day in DAYS:
                await store.write(MINUTES, frame(bar("7203", at(day), 200.0)))
            return await store.list_series()

        known_at = store.known_at

    done = await run(Corrected(), folder)  # type: ignore[arg-type]  # what a run asks of a store
    assert manifest_of(done).as_of is not None
    assert (await read(folder))["close"].to_list() == [100.0, 100.0]
    await run(store, folder, 1)
    assert (await read(folder))["close"].to_list() == [200.0, 200.0]
    await store.close()


async def test_only_the_newest_months_are_read_and_those_that_are_missing(
    store: MemoryBarStore, tmp_path: Path
) -> None:
    folder, wish = LocalFolder(tmp_path / "mirror"), Publication(NOW, months=1)
    assert len((await run_wish(store, folder, wish)).files) == 3
    await store.write(MINUTES, frame(bar("7203", at(DAYS[0]), 300.0)))
    assert (await run_wish(store, folder, wish)).written == ()


async def test_months_that_are_held_no_more_stay(store: MemoryBarStore, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "mirror")
    before = (await run(store, folder)).manifest
    assert before is not None
    assert (await run(MemoryBarStore(), folder, 1)).files == before.files


async def test_a_folder_of_a_mirror_without_a_manifest_stays_so(store: MemoryBarStore, tmp_path: Path) -> None:
    (tmp_path / "synthetic" / "1m").mkdir(parents=True)
    (tmp_path / "synthetic" / "1m" / "2025-10.parquet").write_bytes(b"")
    done = await run(store, LocalFolder(tmp_path))
    assert done.manifest is None
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == [  # noqa: ASYNC240  few files
        "synthetic/1d/2025.parquet", "synthetic/1m/2025-10.parquet", "synthetic/1m/2025-11.parquet",
    ]  # fmt: skip
    assert pl.read_parquet(tmp_path / "synthetic/1m/*.parquet").height == 4


async def test_a_bucket_takes_no_files_without_a_manifest(store: MemoryBarStore, bucket: str, tmp_path: Path) -> None:
    folder, path = open_objects(bucket), tmp_path / "a"
    path.write_bytes(b"")
    with pytest.raises(InvalidRequest, match="the format was csv, expected parquet"):
        await run_wish(store, folder, Publication(NOW, form=Format.CSV))
    await folder.add("synthetic/1m/2025-10.parquet", path)
    with pytest.raises(InvalidRequest, match=r"without a manifest \(synthetic/1m/2025-10\.parquet\)"):
        await run(store, folder)


async def test_a_mirror_with_a_manifest_takes_no_other_format(store: MemoryBarStore, folder: ObjectFolder) -> None:
    before = manifest_of(await run(store, folder))
    with pytest.raises(InvalidRequest, match="is a mirror with a manifest"):
        await run_wish(store, folder, Publication(NOW, form=Format.CSV))
    assert await load(folder) == before


class Stop:
    """A stop before the given file."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.told: list[str] = []

    def watch(self) -> Watch:
        return Watch(on_file=lambda name, *_: self.told.append(name), should_stop=lambda: len(self.told) >= self.file)


async def test_a_run_that_was_stopped_goes_on_as_of_its_moment(folder: ObjectFolder, tmp_path: Path) -> None:
    store = PageBarStore(tmp_path / "bars")
    for day in (*DAYS, date(2025, 12, 1)):
        await store.write(MINUTES, frame(bar("7203", at(day))))
    planned, first = await plan_run(store, folder, Publication(NOW)), Stop(1)
    assert await publish(store, folder, planned, first.watch()) is None
    assert first.told == ["synthetic/1m/2025-10"]
    assert await folder.read(MANIFEST) is None
    held = [name for name in await folder.list_names() if "2025-10" in name]
    for day in DAYS:
        await store.write(MINUTES, frame(bar("7203", at(day), 200.0)))
    again = Stop(9)
    done = await publish(store, folder, planned, again.watch(), start=1)
    assert done is not None
    assert again.told == ["synthetic/1m/2025-11", "synthetic/1m/2025-12"]
    assert [file.path for file in done.files][:1] == held
    assert (await read(folder))["close"].to_list() == [100.0, 100.0, 100.0]
    assert not [name for name in await folder.list_names() if name.startswith("run.")]
    await store.close()


async def test_a_run_does_not_replace_a_later_one(store: MemoryBarStore, folder: ObjectFolder) -> None:
    early = await plan_run(store, folder, Publication(NOW))
    later = manifest_of(await run(store, folder, 1))
    with pytest.raises(Conflict, match="another run has written"):
        await publish(store, folder, early)
    assert await load(folder) == later


async def test_a_bucket_has_a_list_of_urls_for_each_series(store: MemoryBarStore, bucket: str) -> None:
    folder = open_objects(bucket)
    done = await run(store, folder)
    found = await folder.read("synthetic/1m/files.txt")
    assert found is not None
    urls = [f"{bucket}/{file.path}\n" for file in done.files if file.interval == "1m"]
    assert found.content.decode() == "".join(urls)
