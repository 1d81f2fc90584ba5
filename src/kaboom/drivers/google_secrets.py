"""Google's Secret Manager: secrets by name, with bounded waits, and its errors translated."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from types import MappingProxyType

from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.secretmanager_v1 import SecretManagerServiceClient

from kaboom.errors import ConfigurationError

#: The time limit for all secrets of a process, which are fetched in parallel.
_PATIENCE_S = 10.0
_ROLE = "roles/secretmanager.secretAccessor"


def connect() -> SecretManagerServiceClient:
    """Return a client with the credentials of the environment: a service account's, or `gcloud`'s.

    Raises:
        ConfigurationError: there are no credentials.

    """
    try:
        return SecretManagerServiceClient()
    except GoogleAuthError as e:
        raise ConfigurationError(f"Secret Manager: Google gave no credentials: {e}") from e


@cache
def fetch_secrets(project: str, names: Sequence[str]) -> Mapping[str, str]:
    """Return the newest version of each existing secret of a project, by name; cached for the process.

    Raises:
        ConfigurationError: a secret cannot be read; the message holds no value.

    """
    client = connect()
    # Threads and channel end here, since gRPC does not survive the later fork of a worker.
    with contextlib.closing(client.transport), ThreadPoolExecutor(max_workers=len(names)) as pool:
        values = list(pool.map(partial(_fetch, client, project), names))
    return MappingProxyType({name: value for name, value in zip(names, values, strict=True) if value})


def _fetch(client: SecretManagerServiceClient, project: str, name: str) -> str | None:
    where = f"secret {name} of project {project}"
    path = client.secret_version_path(project, name, "latest")
    busy = if_exception_type(exceptions.ServiceUnavailable, exceptions.ResourceExhausted)
    retry = Retry(predicate=busy, initial=0.2, maximum=2.0, timeout=_PATIENCE_S)
    with _translated(where):
        try:
            answer = client.access_secret_version(name=path, retry=retry, timeout=_PATIENCE_S)
        except exceptions.NotFound:
            return None
    try:
        return str(answer.payload.data.decode())
    except UnicodeDecodeError:
        raise ConfigurationError(f"{where} was not UTF-8 text") from None


@contextlib.contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except exceptions.PermissionDenied as e:
        # Google does not say whether the secret exists.
        hint = f"grant {_ROLE} on it, or set its variable (empty if there is no secret)"
        raise ConfigurationError(f"{where} may not be read, or does not exist: {hint}") from e
    except exceptions.FailedPrecondition as e:
        raise ConfigurationError(f"{where}: its newest version is disabled or destroyed: enable it, or add one") from e
    except (exceptions.GoogleAPIError, GoogleAuthError) as e:
        cause = e.cause if isinstance(e, exceptions.RetryError) else e
        message = f"{where} could not be read within {_PATIENCE_S:g} s: {type(cause).__name__}: {cause}"
        raise ConfigurationError(message) from e
