"""The registry is plain data: the API reads it and starts fast."""

import subprocess
import sys
from importlib import import_module

from pydantic import BaseModel

from kaboom.domain_settings import CommonSettings
from kaboom.providers.registry import provider_specs


def test_registry_imports_neither_numpy_nor_polars() -> None:
    script = (
        "import sys, kaboom.providers.registry as r; r.get_provider_spec('synthetic');"
        "print([m for m in ('numpy', 'polars', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_of_providers_have_names_of_their_own() -> None:
    models: list[type[BaseModel]] = [CommonSettings, *(spec.settings for spec in provider_specs())]
    fields = [name for model in models for name in model.model_fields]
    variables = [str(field.validation_alias) for model in models for field in model.model_fields.values()]
    assert len(set(fields)) == len(fields)
    assert len(set(variables)) == len(variables)
    assert "None" not in variables


def test_required_settings_are_fields_that_lack_a_value() -> None:
    for spec in provider_specs():
        for required in spec.required:
            assert spec.settings.model_fields[required.field].default in {None, False}, (spec.name, required.field)


def test_every_build_function_exists_in_the_provider_s_folder() -> None:
    for spec in provider_specs():
        module, _, function = spec.build.partition(":")
        assert module.startswith(f"kaboom.providers.{spec.name}.")
        assert callable(getattr(import_module(module), function))
