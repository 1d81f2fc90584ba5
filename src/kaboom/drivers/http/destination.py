"""The checked parts of a request's URL; pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Destination:
    """The parts of a request's URL. They are used as they were checked: no second parser reads the URL.

    Attributes:
        host: a name in lower case and ASCII, or an address in its canonical form, IPv6 without brackets.
        path: path and query, sent as they are.

    """

    scheme: str
    host: str
    port: int
    path: str = field(default="/", repr=False)

    @property
    def origin(self) -> str:
        """The URL without path and query."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"
