"""n8n is installed once for a lock, all or nothing, and what is missing for that is named."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.n8n.lab.install import (
    HERE,
    MANIFESTS,
    TOOLS,
    Node,
    Unfit,
    find_node,
    install,
    installation_key,
)

NODE = Node("20.20.2", Path("/usr"), "Linux-x86_64-115")
#: It does what npm would, and says so; `rebuild` fails while there is no compiler.
_NPM = """#!/bin/sh
echo "$*" >> "$0.log"
case $1 in
  ci) mkdir -p node_modules && cp package.json node_modules/ ;;
  rebuild) [ -e "$0.compiler" ] || { echo 'no compiler' >&2; exit 1; } ;;
esac
"""


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "npm"
    program.write_text(_NPM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return program


def calls(npm: Path) -> list[str]:
    return [line.split()[0] for line in npm.with_suffix(".log").read_text().splitlines()]


def test_an_installation_that_fails_does_not_count_and_the_next_one_begins_anew(npm: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no compiler"):
        install(tmp_path)
    assert not [path for path in tmp_path.glob("kaboom-n8n-*") if path.is_dir() and path.suffix != ".partial"]
    npm.with_suffix(".compiler").touch()
    found = install(tmp_path)
    assert (found.folder / "node_modules" / "package.json").is_file()
    assert calls(npm) == ["ci", "rebuild"] * 2


def test_concurrent_calls_install_once(npm: Path, tmp_path: Path) -> None:
    npm.with_suffix(".compiler").touch()
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: install(tmp_path), range(4)))
    assert len(found) == 1
    assert calls(npm) == ["ci", "rebuild"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_another_lock_is_another_installation(tmp_path: Path, name: str) -> None:
    for manifest in MANIFESTS:
        shutil.copyfile(HERE / manifest, tmp_path / manifest)
    first = installation_key(tmp_path, NODE)
    assert first == installation_key(HERE, NODE)
    with (tmp_path / name).open("a") as changed:
        changed.write(" ")
    assert installation_key(tmp_path, NODE) != first


def test_another_node_is_another_installation() -> None:
    assert installation_key(HERE, NODE) != installation_key(HERE, Node("24.1.0", NODE.home, "Linux-x86_64-137"))


def node_of(folder: Path, version: str) -> Path:
    """Make a search path with all tools, whose Node.js says that it is of a version, and return its folder."""
    path, headers = folder / "bin", folder / "include" / "node"
    path.mkdir()
    headers.mkdir(parents=True)
    (headers / "node_api.h").touch()
    for tool in TOOLS:
        (path / tool).symlink_to(shutil.which("true") or "/bin/true")
    (path / "node").unlink()
    (path / "node").write_text(f"""#!/bin/sh\necho '["{version}", "{path}/node", "115"]'\n""")
    (path / "node").chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["20.19.0", "22.0.1", "24.11.3"])
def test_a_supported_node_is_accepted(tmp_path: Path, version: str) -> None:
    found = find_node(str(node_of(tmp_path, version)))
    assert (found.version, found.home) == (version, tmp_path)
    assert found.abi.endswith("-115")


@pytest.mark.parametrize("version", ["18.20.4", "20.18.9", "25.0.0", "100.1.1", "", "v20.20.2"])
def test_another_node_is_refused_by_name(tmp_path: Path, version: str) -> None:
    with pytest.raises(Unfit, match=rf"needs Node.js >= 20.19 and < 25 .* this is Node {version}"):
        find_node(str(node_of(tmp_path, version)))


@pytest.mark.parametrize("there", [(), ("node",), ("node", "npm", "make", "python3")])
def test_what_is_missing_is_named(tmp_path: Path, there: tuple[str, ...]) -> None:
    for tool in there:
        (tmp_path / tool).symlink_to(shutil.which("true") or "/bin/true")
    missing = ", ".join(tool for tool in TOOLS if tool not in there)
    with pytest.raises(Unfit, match=f"not there: {missing.replace('+', '.')}.*apt-get install nodejs"):
        find_node(str(tmp_path))


def test_the_installed_node_is_accepted() -> None:
    assert (find_node().home / "include/node/node_api.h").is_file()
