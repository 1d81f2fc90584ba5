"""Where a request goes, in parts that were checked; pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Destination:
    """The parts of a request's URL. The parts that were checked are used as they are: no second parser reads the URL.

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
