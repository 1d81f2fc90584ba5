"""The base of job requests: one model for the HTTP body, a schedule, the ledger and the worker."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from batch.errors import InvalidRequest


class Request(BaseModel):
    """A checked request: strict types, no unknown fields, JSON in and out.

    `internal` names the fields that Kaboom fills itself, such as what a retry has left to do: no caller may give them.
    Validators raise InvalidRequest where a name is unknown, and it says which names there are.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    internal: ClassVar[frozenset[str]] = frozenset()
    #: Flags of the command line, where they do not follow from the name of the field.
    cli_flags: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: What the command line sends of a field that is not given, where the API needs it.
    cli_defaults: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def fill_in(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the command line sends: what was given, and the defaults of the rest."""
        return {**cls.cli_defaults, **given}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Return the request that JSON types say.

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
        """Return the request with some fields set, and checked anew.

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
