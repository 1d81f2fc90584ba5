"""The n8n of `package-lock.json`, installed once for each lock in a folder outside the clone."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[1]
#: What says which n8n it is.
MANIFESTS = ("package.json", "package-lock.json")
#: sqlite3 comes as source: its ready-made binaries lie at GitHub, which a build without a way out does not reach.
TOOLS = ("node", "npm", "make", "python3", "c++")
_NODE = ((20, 19), (25, 0))
_ABSENT = (
    "make e2e-n8n needs Node.js >= 20.19 and < 25 with its headers, npm, make, Python 3 and a C++ compiler; {}. "
    "On Debian and Ubuntu: `apt-get install nodejs libnode-dev npm make python3 g++`"
)
_NPM_CI = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps")
_BUILD = ("npm", "rebuild", "sqlite3")


class Unfit(RuntimeError):
    """Something that n8n is installed with is not on this machine."""


@dataclass(frozen=True)
class Node:
    """The Node.js on PATH."""

    version: str
    #: The folder with its `include/node`.
    home: Path
    #: What a built module fits: platform, processor, and the number of Node's binary interface.
    abi: str


@dataclass(frozen=True)
class Installation:
    """An n8n that can be started."""

    folder: Path

    @property
    def command(self) -> tuple[str, str]:
        """The beginning of every n8n command line."""
        return ("node", str(self.folder / "node_modules" / "n8n" / "bin" / "n8n"))


def find_node(path: str | None = None) -> Node:
    """Return the Node.js of a search path, by default PATH.

    Raises:
        Unfit: it, or what builds a module for it, is not there or not of a version that n8n runs on.

    """
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        raise Unfit(_ABSENT.format(f"not there: {', '.join(missing)}"))
    ask = "const v = process.versions; console.log(JSON.stringify([v.node, process.execPath, v.modules]))"
    node = str(shutil.which("node", path=path))
    told = subprocess.run([node, "-e", ask], check=True, capture_output=True, text=True, timeout=30)
    version, program, modules = json.loads(told.stdout)
    check_version(version)
    home = Path(program).resolve().parents[1]
    if not (home / "include" / "node" / "node_api.h").is_file():
        raise Unfit(_ABSENT.format(f"Node {version} at {program} has no headers in {home}/include/node"))
    return Node(version, home, f"{os.uname().sysname}-{os.uname().machine}-{modules}")


def check_version(version: str) -> None:
    """Refuse a Node.js that n8n does not run on.

    Raises:
        Unfit: it is too old or too new.

    """
    found = re.match(r"(\d+)\.(\d+)\.", version)
    if not found or not _NODE[0] <= (int(found[1]), int(found[2])) < _NODE[1]:
        raise Unfit(_ABSENT.format(f"this is Node {version}"))


def installation_key(manifests: Path, node: Node) -> str:
    """Return what two installations that are the same have in common."""
    digest = hashlib.sha256(node.abi.encode())
    for name in MANIFESTS:
        digest.update(b"\0" + (manifests / name).read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Return where installations are kept: it outlives the clone and needs no HOME."""
    return Path(os.environ.get("XDG_CACHE_HOME") or tempfile.gettempdir())


def install(cache: Path | None = None) -> Installation:
    """Return the n8n of the lock, installed where it is not yet; a run that is killed leaves nothing that counts.

    Raises:
        Unfit: something that is needed for that is not on this machine.

    """
    node, cache = find_node(), cache or cache_folder()
    target = cache / f"kaboom-n8n-{installation_key(HERE, node)}"
    if not target.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with target.with_suffix(".lock").open("w") as lock:
            # One installs; the others wait and find it done.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_dir():
                _install(target, node)
    return Installation(target)


def _install(target: Path, node: Node) -> None:
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name in MANIFESTS:
        shutil.copyfile(HERE / name, partial / name)
    environment = {
        **os.environ,
        "npm_config_nodedir": str(node.home),
        # Where the ready-made binary could be fetched, it is not: what is tested is the same everywhere.
        "npm_config_build_from_source": "true",
        "npm_config_update_notifier": "false",
        "npm_config_loglevel": "error",
    }
    for command in (_NPM_CI, _BUILD):
        _run(command, partial, environment)
    partial.rename(target)


def _run(command: tuple[str, ...], folder: Path, environment: dict[str, str]) -> None:
    # Minutes of work that others on this machine should not feel.
    done = subprocess.run(
        ["nice", "-n", "10", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        raise RuntimeError(f"`{' '.join(command)}` in {folder} ended with {done.returncode}:\n{said}")
