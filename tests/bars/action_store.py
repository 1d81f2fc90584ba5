"""What every store of corporate actions promises; a file of tests gives the class a `store` and runs it."""

import asyncio
from datetime import date, timedelta

import polars as pl
import pytest

from kaboom.bars.actions.store import NOTE_SCHEMA, ActionStore
from kaboom.errors import InvalidRequest
from kaboom.market.action import ActionState
from tests.bars.bar_store import run
from tests.fixtures.bars.noted_actions import NOTED_AT, dividend_note, note

NOV_4, NOV_5 = date(2025, 11, 4), date(2025, 11, 5)


class ActionStoreContract:
    """The promises of `ActionStore`."""

    def test_gives_back_what_was_saved_sorted(self, store: ActionStore) -> None:
        first, second, third = note("285A", NOV_5), note("7203", NOV_4, 1 / 3), note("7203", NOV_5, 10.0)
        run(store.save("synthetic", pl.concat([third, first])))
        run(store.save("synthetic", second))
        assert run(store.load("synthetic")).equals(pl.concat([first, second, third]))
        assert run(store.load("synthetic", ["7203", "9984"])).equals(pl.concat([second, third]))

    def test_an_empty_store_has_no_notes(self, store: ActionStore) -> None:
        run(store.save("synthetic", pl.DataFrame(schema=NOTE_SCHEMA)))
        for symbols in ((), ("7203",)):
            notes = run(store.load("synthetic", symbols))
            assert notes.is_empty()
            assert notes.schema == NOTE_SCHEMA

    def test_an_origin_overwrites_only_its_own_notes(self, store: ActionStore) -> None:
        told, suspected = note("7203", NOV_4, 0.5), note("7203", NOV_4, 1 / 3, ActionState.SUSPECTED)
        for _ in range(2):
            run(store.save("synthetic", pl.concat([told, suspected])))
        confirmed = note("7203", NOV_4, 0.25, ActionState.CONFIRMED)
        run(store.save("synthetic", confirmed))
        rejected = note("7203", NOV_4, 0.25, ActionState.REJECTED, at=NOTED_AT - timedelta(days=1))
        run(store.save("synthetic", rejected))
        assert run(store.load("synthetic")).equals(pl.concat([suspected, rejected, told]))

    def test_a_note_that_is_made_again_has_its_newest_time(self, store: ActionStore) -> None:
        later = NOTED_AT + timedelta(days=1)
        first, others = note("7203", NOV_4, 0.5), note("6758", NOV_4, 0.5)
        run(store.save("synthetic", pl.concat([first, others])))
        run(store.save("jquants", first))
        run(store.save("synthetic", note("7203", NOV_4, 0.5, at=later)))
        assert run(store.load("synthetic"))["noted_at"].to_list() == [NOTED_AT, later]
        assert run(store.load("jquants")).equals(first)

    def test_a_dividend_and_a_split_of_one_session_do_not_replace_each_other(self, store: ActionStore) -> None:
        split, paid = note("7203", NOV_4, 0.5), dividend_note("7203", NOV_4, 45.0)
        run(store.save("synthetic", paid))
        run(store.save("synthetic", split))
        assert run(store.load("synthetic")).equals(pl.concat([split, paid]))
        less = dividend_note("7203", NOV_4, 40.5)
        run(store.save("synthetic", pl.concat([less, dividend_note("6758", NOV_5, 10.0)])))
        assert run(store.load("synthetic", ["7203"])).equals(pl.concat([split, less]))

    def test_sources_never_mix(self, store: ActionStore) -> None:
        run(store.save("synthetic", note("7203", NOV_4)))
        run(store.save("jquants", note("7203", NOV_5)))
        assert run(store.load("synthetic")).equals(note("7203", NOV_4))
        assert run(store.load("jquants")).equals(note("7203", NOV_5))
        assert run(store.load("file")).is_empty()

    @pytest.mark.parametrize("source", ["../real", "", "Synthetic", "a/b"])
    def test_a_source_cannot_leave_its_place(self, store: ActionStore, source: str) -> None:
        with pytest.raises(InvalidRequest, match="source was"):
            run(store.save(source, note("7203", NOV_4)))
        with pytest.raises(InvalidRequest, match="source was"):
            run(store.load(source))

    def test_writers_at_once_lose_nothing(self, store: ActionStore) -> None:
        notes = [note(f"{1300 + n}", NOV_4) for n in range(20)]

        async def save_all() -> None:
            await asyncio.gather(*(store.save("synthetic", each) for each in notes))

        run(save_all())
        assert run(store.load("synthetic")).equals(pl.concat(notes))

    def test_odd_symbols_are_kept_as_they_are(self, store: ActionStore) -> None:
        odd = [note(symbol, NOV_4) for symbol in ("BRK.B", "EURJPY=X", "^N225")]
        run(store.save("file", pl.concat(odd)))
        assert run(store.load("file")).equals(pl.concat(odd))
        assert run(store.load("file", ["^N225"])).equals(odd[2])
