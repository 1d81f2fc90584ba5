"""What is in the image: everything that Kaboom is, all of the lock, and nothing else."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.fixtures.repo.containers import Podman
from tests.fixtures.repo.repository import ROOT, find_files, load_text
from tests.fixtures.repo.root_files import find_faults
from tests.fixtures.servers.outside import USER

_MB = 1_000_000
_TALK = """
import importlib, importlib.metadata, json, pkgutil, sys
import kaboom
for module in pkgutil.walk_packages(kaboom.__path__, 'kaboom.'):
    # Alembic runs the migrations; the kernel needs the extra of backtests, what draws that of pictures.
    if not {'migrations', 'kernel', 'drawing'} & set(module.name.split('.')):
        importlib.import_module(module.name)
import google.cloud.secretmanager
files = {name: (getattr(m, '__file__', None), getattr(m, '__cached__', None)) for name, m in list(sys.modules.items())}
print(json.dumps({
    'packages': {d.name: d.version for d in importlib.metadata.distributions()},
    'modules': sorted(name for name in files if name.split('.')[0] == 'kaboom'),
    'cached': {name: [file, cached] for name, (file, cached) in files.items() if file and file.endswith('.py')},
}))
"""


@pytest.fixture(scope="module")
def rootfs(podman: Podman, image: str) -> Iterator[Path]:
    yield Path(podman.call("image", "mount", image))
    podman.call("image", "umount", image)


@pytest.fixture(scope="module")
def told(podman: Podman, image: str) -> dict[str, Any]:
    """What Python says in the image, after it has imported all of Kaboom as the image's user."""
    options = ("--network=none", "--env=REDIS_URL=redis://127.0.0.1:1/0")
    answer: dict[str, Any] = orjson.loads(
        podman.run_once(image, "python", "-c", _TALK, options=options).splitlines()[-1]
    )
    return answer


def test_nothing_is_in_the_image_that_should_not_be(rootfs: Path) -> None:
    assert find_faults(rootfs) == []


def test_the_image_stays_small(podman: Podman, image: str, base: str, rootfs: Path) -> None:
    whole, below = (int(str(podman.inspect(name)["Size"])) for name in (image, base))
    # 561 MB since TA-Lib, the dashboard, apprise and obstore.
    assert whole - below < 570 * _MB
    kaboom = sum(path.lstat().st_size for path in (rootfs / "opt/kaboom").rglob("*"))
    # Source and bytecode: 15.2 MB with pipelines and screens.
    assert kaboom < 16 * _MB


def test_the_image_has_all_of_kaboom_readable(rootfs: Path) -> None:
    names = {
        path.relative_to(ROOT / top)
        for path in find_files()
        for top in ("api", "src")
        if path.is_relative_to(ROOT / top)
    }
    sources = {str(name) for name in names if name.parts[0] in {"app", "batch", "kaboom"}}
    there = {
        str(path.relative_to(rootfs / "opt/kaboom"))
        for path in (rootfs / "opt/kaboom").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources - there == set()
    assert {name for name in there - sources if not name.startswith("kaboom_api-")} == {"bin/kaboom"}
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in (rootfs / "opt").rglob("*") if not path.is_symlink())


def test_the_image_has_the_packages_of_the_lock_and_no_other(told: dict[str, Any]) -> None:
    lines = (line.rstrip("\\ ") for line in load_text("requirements.lock").splitlines() if line[:1].isalnum())
    pinned = [Requirement(line) for line in lines]
    expected = {canonicalize_name(r.name): str(r.specifier)[2:] for r in pinned if not r.marker or r.marker.evaluate()}
    installed = {canonicalize_name(name): version for name, version in told["packages"].items()}
    assert installed.pop(canonicalize_name("kaboom-api"))
    assert installed == expected


def test_every_module_that_is_loaded_was_compiled(told: dict[str, Any], rootfs: Path) -> None:
    assert len(told["modules"]) > 200
    inside = {name: rootfs / str(cached).lstrip("/") for name, (_, cached) in told["cached"].items() if cached}
    assert len(inside) > 1_000
    assert {name: str(path) for name, path in inside.items() if not path.exists()} == {}


def plant_file(name: str, mode: int = 0o644) -> Callable[[Path], None]:
    def plant(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
        (root / name).chmod(mode)

    return plant


def plant_owned(root: Path) -> None:
    plant_file("opt/kaboom/app/mine.py")(root)
    shutil.chown(root / "opt/kaboom/app/mine.py", USER)


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (plant_file("root/.cache/pip/http/a"), "is a leftover of the build"),
        (plant_file("opt/tools/bin/pip"), "is a leftover of the build"),
        (plant_file("usr/bin/gcc"), "is a compiler"),
        (plant_file("opt/kaboom/.git/HEAD"), "is of a checkout"),
        (plant_file("opt/kaboom/tests/test_a.py"), "is of tests"),
        (plant_file("opt/venv/lib/python3.13/site-packages/pip/__init__.py"), "installs packages"),
        (plant_file("opt/kaboom/.env"), "may be a secret"),
        (plant_file("etc/kaboom/redis/server.key"), "may be a secret"),
        (plant_file("opt/kaboom/app/main.py", 0o666), "may be written by anybody"),
        (plant_owned, "belongs to the user that the image runs as"),
    ],
)
def test_a_planted_file_is_found(plant: Callable[[Path], None], found: str, tmp_path: Path) -> None:
    assert find_faults(tmp_path) == []
    plant(tmp_path)
    assert any(found in fault for fault in find_faults(tmp_path))


@pytest.mark.parametrize("name", ["opt/venv/.gitignore", "opt/venv/lib/certifi/cacert.pem", "etc/ssl/certs/a.pem"])
def test_a_harmless_file_is_not(name: str, tmp_path: Path) -> None:
    plant_file(name)(tmp_path)
    assert find_faults(tmp_path) == []
