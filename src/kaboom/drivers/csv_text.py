"""The text of a CSV file that a person hands in."""


def decode_csv(data: bytes) -> str:
    """Return a text in UTF-8, with or without a byte-order mark, or else in CP932, as Excel in Japan saves it.

    Raises:
        UnicodeDecodeError: it is in neither.

    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp932")
