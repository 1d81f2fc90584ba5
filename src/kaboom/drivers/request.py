"""The request of a job: one model for the HTTP body, a schedule, the ledger and the worker."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from kaboom.errors import InvalidRequest


def report_all(given: Any, check: Callable[[Any], Any]) -> Any:
    """Return what `check` makes of the fields of a request; after a fault it checks the fields that are left, too.

    Raises:
        InvalidRequest: a rule of Kaboom refused one field, and nothing else was wrong.
        ValidationError: several fields were wrong, or one had a wrong type.

    """
    try:
        return check(given)
    except (InvalidRequest, ValidationError) as first:
        faults = _faults_of(first)
        if isinstance(given, Mapping):
            faults += _find_further(given, check, {str(fault["loc"][0]) for fault in faults if fault.get("loc")})
        if len(faults) == len(_faults_of(first)):
            raise
        raise ValidationError.from_exception_data("request", faults) from first


def _find_further(given: Mapping[Any, Any], check: Callable[[Any], Any], refused: set[str]) -> list[InitErrorDetails]:
    """Return the faults of fields that were given, checked without those that were refused."""
    faults: list[InitErrorDetails] = []
    while refused & given.keys():
        given = {name: value for name, value in given.items() if name not in refused}
        try:
            check(given)
        except (InvalidRequest, ValidationError) as e:
            # A field that is missing only because it was taken out is no fault.
            found = [fault for fault in _faults_of(e) if fault.get("loc") and fault["loc"][0] in given]
            faults += found
            refused = {str(fault["loc"][0]) for fault in found}
        else:
            break
    return faults


def _faults_of(error: InvalidRequest | ValidationError) -> list[InitErrorDetails]:
    if isinstance(error, InvalidRequest):
        loc = tuple(error.pointer.split("/")[1:])
        why = error.message.removeprefix(f"{error.pointer}: ")
        return [{"type": PydanticCustomError("refused", "{why}", {"why": why}), "loc": loc, "input": None}]
    return [
        {
            "type": PydanticCustomError(each["type"], "{why}", {"why": each["msg"]}),
            "loc": each["loc"],
            "input": each["input"],
        }
        for each in error.errors(include_url=False)
    ]


class Request(BaseModel):
    """A checked request: strict types, no unknown fields, JSON in and out.

    `internal` names the fields that only Kaboom fills in, such as the remaining work of a retry; callers may not give
    them. Validators raise InvalidRequest for an unknown name; its message lists the known names. `report_all` goes on
    after such an error.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    internal: ClassVar[frozenset[str]] = frozenset()
    #: Command-line flags of fields whose flags do not follow from the name of the field.
    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @classmethod
    def fill_in(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that the command line sends: those given, and those that the API needs beside them."""
        return dict(given)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Return the request from JSON types.

        Raises:
            InvalidRequest: a value is not allowed; `pointer` names its field.

        """
        try:
            return cls.model_validate(values)
        except ValidationError as e:
            first = e.errors(include_url=False, include_context=False)[0]
            pointer = "/".join(["", *(str(part)[:40] for part in first["loc"] if part != "[key]")])
            why = first["msg"].removeprefix("Value error, ")
            raise InvalidRequest(f"{pointer}: {why}" if pointer else why, pointer=pointer) from e

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types, without the fields that were left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def filled(self, **values: Any) -> Self:
        """Return the request with some fields set, and checked again.

        Raises:
            InvalidRequest: a value is not allowed.

        """
        return self.parse(self.to_json() | values)


class PlannedRequest(Request):
    """A request whose work is planned first, and which may end with its plan."""

    dry_run: bool = Field(default=False, description="plan only: the job ends with its plan, and nothing is done")

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON types, without the fields that were left out."""
        return self.model_dump(mode="json", exclude_none=True, exclude=None if self.dry_run else {"dry_run"})
