"""The request of a job: one model for the HTTP body, a schedule, the ledger and the worker."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kaboom.errors import InvalidRequest


class Request(BaseModel):
    """A checked request: strict types, no unknown fields, JSON in and out.

    `internal` names the fields that only Kaboom fills in, such as the remaining work of a retry; callers may not give
    them. Validators raise InvalidRequest for an unknown name; its message lists the known names.
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
