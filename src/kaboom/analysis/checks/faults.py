"""Why an answer is refused, in codes."""

from dataclasses import dataclass
from enum import StrEnum

from kaboom.drivers.printable import clean

_MOST_LETTERS = 60


class FaultCode(StrEnum):
    """A reason to refuse an answer."""

    SCHEMA = "schema"  # not JSON in the requested form
    SUBJECT = "subject"  # about another symbol or job
    VERDICT = "verdict"  # a verdict of another kind of analysis, or one that the numbers refute
    SOURCE = "source"  # a claim cites a row or a field that does not exist
    VALUE = "value"  # a claim has another number than its source row
    NUMBER = "number"  # a number in the text is not a claim of its point
    UNIT = "unit"  # a number in the text has another unit than its field
    DIRECTION = "direction"  # a rise, a fall or a comparison that the cited numbers do not show
    LETTERS = "letters"  # markup, control characters, or letters of other scripts
    LINK = "link"  # an address
    ADVICE = "advice"  # a recommendation, or something called certain


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason: its code, the place in the answer as a JSON pointer, and the printable text found there."""

    code: FaultCode
    where: str
    found: str

    @property
    def words(self) -> str:
        """The fault in one line."""
        return f"{self.code} at {self.where or '/'}: {clean(self.found[:_MOST_LETTERS])}"
