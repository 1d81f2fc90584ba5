"""The order in which a backup copies the files of a bar store."""

from pathlib import Path

from kaboom.bars.pages.backup import list_store_files


def test_actions_are_copied_after_all_bars_and_what_sqlite_keeps_beside_a_file_is_not(tmp_path: Path) -> None:
    for name in ("yahoo/actions.sqlite", "yahoo/1m/2025.sqlite", "yahoo/1m/2025.sqlite-wal", "catalogue.txt",
                 "acme/actions.sqlite", "acme/1d/all.sqlite", "acme/.draft/1d"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path) for path in list_store_files(tmp_path)] == [
        "catalogue.txt", "acme/1d/all.sqlite", "yahoo/1m/2025.sqlite", "acme/actions.sqlite", "yahoo/actions.sqlite",
    ]  # fmt: skip
