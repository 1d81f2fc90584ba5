"""What InfluxDB's answers say, of each version."""

import pytest

from kaboom.bars.influx.responses import QueryRefused, error_text, parse_refusal, parse_results


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"code":"invalid","message":"partial write: dropped=1"}', "partial write: dropped=1"),
        (b'{"error":"database not found: \\"b\\""}', 'database not found: "b"'),
        (b"<html>\n  bad gateway</html>", "<html> bad gateway</html>"),
        (b"", ""),
        (b'{"error":"' + b"x" * 999 + b'"}', "x" * 300 + "…"),
    ],
)
def test_an_error_is_one_short_sentence(body: bytes, sentence: str) -> None:
    assert error_text(body) == sentence


def test_v3_names_lines_and_others_do_not() -> None:
    v3 = b'{"error":"partial write","data":[{"error_message":"bad type","line_number":7,"original_line":"x"},{}]}'
    assert parse_refusal(v3).by_line == {7: "bad type"}
    assert parse_refusal(b'{"message":"dropped=1"}').by_line == {}
    assert parse_refusal(b'{"message":"dropped=1"}').dropped == 1
    assert parse_refusal(v3).dropped is None
    assert parse_refusal(b"").reason == "the server gave no reason"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"results":[{"error":"database not found: b"}]}', "database not found"),
        (b'{"error":"error parsing query"}', "error parsing query"),
        (b'{"results":[{"series":[{"name":"m","columns":[],"values":[],"partial":true}]}]}', "cut off"),
        (b'{"results":[]}', "cut off"),
        (b'{"results":[{"series":[],"partial":true}]}', "cut off"),
        (b"<html>login</html>", "login"),
        (b"[]", "\\[\\]"),
        (b"", "not an InfluxQL result"),
    ],
)
def test_half_a_result_or_none_is_an_error_and_not_an_empty_frame(body: bytes, reason: str) -> None:
    with pytest.raises(QueryRefused, match=reason):
        parse_results(body, 1)


def test_chunks_of_one_statement_belong_together() -> None:
    body = (
        b'{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time"],"values":[[1]],"partial":true}],'
        b'"partial":true}]}\n'
        b'{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time"],"values":[[2]]}]}]}\n'
        b'{"results":[{"statement_id":1}]}\n'
    )
    first, second = parse_results(body, 2)
    assert [series.rows for series in first] == [[[1]], [[2]]]
    assert second == []
    with pytest.raises(QueryRefused, match="cut off"):
        parse_results(body.splitlines()[0], 1)
    with pytest.raises(QueryRefused, match="cut off"):
        parse_results(body, 3)
    with pytest.raises(QueryRefused, match="result number 1"):
        parse_results(body, 1)
