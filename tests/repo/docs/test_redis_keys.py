"""The Redis keys of the code and those of the reference page are the same."""

import inspect
import re

from kaboom.jobs.engine.message import list_key
from kaboom.jobs.redis import keys
from kaboom.providers.limiter.pauses import of_provider
from tests.fixtures.repo.repository import load_text


def keys_of_the_code() -> set[str]:
    """Every key, with its parts in braces."""
    functions = [f for _, f in inspect.getmembers(keys, inspect.isfunction) if f is not keys.of_job]
    constants = {value for name, value in vars(keys).items() if name.isupper()}
    patterns = {f(*(f"{{{name}}}" for name in inspect.signature(f).parameters)) for f in functions}
    of_providers = set(of_provider("{provider}"))
    return patterns | constants | of_providers | {list_key("{queue}")}


def test_the_reference_page_lists_every_key() -> None:
    documented = re.findall(r"^\| `([^`]+)` \|", load_text("docs/reference/redis-keys.md"), re.MULTILINE)
    assert sorted(documented) == sorted(keys_of_the_code())


def test_the_specified_names_stand() -> None:
    assert keys.job("ingest", "abc") == "ingest:job:abc"
    assert keys.newest("ingest") == "ingest:jobs"


def test_every_script_is_given_every_key_of_a_job() -> None:
    arguments = {"queue": "q", "job_id": "j"}
    functions = [
        f
        for _, f in inspect.getmembers(keys, inspect.isfunction)
        if f is not keys.of_job and inspect.signature(f).parameters.keys() <= arguments.keys()
    ]
    each = {f(*(arguments[name] for name in inspect.signature(f).parameters)) for f in functions}
    assert set(keys.of_job("q", "j")) == each | {keys.CHANGES}
