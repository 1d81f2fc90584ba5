"""`kaboom symbols`: several dated lists of JPX, and what they say together of one symbol."""

from pathlib import Path
from typing import Any

import pytest

from kaboom.market.lists.own_names import keep_names
from kaboom.settings import load_settings
from tests.fixtures.cli import Kaboom

HEAD = "日付,コード,銘柄名,市場・商品区分,33業種コード,33業種区分,17業種コード,17業種区分,規模コード,規模区分"


def write_list(day: str, *issues: tuple[str, str, str]) -> str:
    rows = [f"{day},{code},{name},{section},50,x,1,x,-,-" for code, name, section in issues]
    Path(f"{day}.csv").write_text("\n".join([HEAD, *rows]), encoding="utf-8")
    return f"{day}.csv"


@pytest.fixture
def imported(kaboom: Kaboom) -> Kaboom:
    """A command line with two lists, of which the later one is imported first."""
    prime, growth = "プライム(内国株式)", "グロース(内国株式)"
    later = write_list("20251031", ("7203", "トヨタ自動車", prime), ("999A", "極洋", prime), ("130A", "Veritas", prime))
    earlier = write_list("20250930", ("7203", "トヨタ自動車", prime), ("1301", "極洋", prime), ("130A", "V", growth))
    for file in (later, earlier):
        assert kaboom("symbols", "import", file, "--most-lost", "100").code == 0
    return kaboom


def history(kaboom: Kaboom, symbol: str) -> list[dict[str, Any]]:
    done = kaboom("symbols", "history", symbol, "--json")
    assert done.code == 0, done.err
    found: Any = done.json
    items: list[dict[str, Any]] = found["items"]
    return items


def test_lists_together_say_who_left_moved_and_was_renamed(imported: Kaboom) -> None:
    (toyota,) = history(imported, "72030")
    assert (toyota["first_seen"], toyota["last_seen"], toyota["left_by"]) == ("2024-03-29", "2025-10-31", None)
    (kyokuyo,) = history(imported, "1301")
    assert (kyokuyo["last_seen"], kyokuyo["left_by"], kyokuyo["renamed_to"]) == ("2025-09-30", "2025-10-31", "999A")
    old, new = history(imported, "130A")
    assert (old["market"], old["moved_to"], new["market"], new["came_after"]) == (
        "TSE_GROWTH",
        "TSE_PRIME",
        "TSE_PRIME",
        "2025-09-30",
    )


def test_the_history_is_a_table_for_people(imported: Kaboom) -> None:
    done = imported("symbols", "history", "999A")
    assert done.code == 0
    assert "1301" in done.out.splitlines()[1]
    assert "no list names 9999" in imported("symbols", "history", "9999").err
    assert imported("symbols", "history", "../etc").code == 2


@pytest.mark.parametrize(
    "text", ["ﾄﾖﾀ 自動車", "\uff17\uff12\uff10\uff13", "トヨタ自 TRANSPORTATION", "toyota motor corp"]
)
def test_symbols_are_found_in_any_width_and_case(kaboom: Kaboom, text: str) -> None:
    done = kaboom("symbols", "search", text)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].split()[:3] == ["7203", "トヨタ自動車", "TOYOTA"]


def test_symbols_that_only_own_files_name_are_found(kaboom: Kaboom) -> None:
    keep_names({"9999": "架空商事"}, load_settings().symbols_dir)
    assert kaboom("symbols", "search", "架空").out.splitlines()[-1].split() == ["9999", "架空商事", "FILE"]
    assert kaboom("symbols", "search", "架空", "--as-of", "2026-01-05T00:00:00Z").out == ""


def test_few_of_many_found_symbols_are_shown(kaboom: Kaboom) -> None:
    done = kaboom("symbols", "search", "銀行業", "--limit", "3")
    assert len(done.out.splitlines()) == 4
    found: Any = kaboom("symbols", "search", "銀行業", "--limit", "3", "--json").json
    assert [len(found["items"]), found["items"][0]["sector33"]] == [3, "銀行業"]
    assert f"{found['total'] - 3} more" in done.err
    nothing = kaboom("symbols", "search", "ハレー彗星")
    assert (nothing.code, nothing.out) == (0, "")
    assert "no listed symbol has ハレー彗星" in nothing.err
