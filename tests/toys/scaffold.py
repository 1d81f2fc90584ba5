"""`kaboom dev new`: copies a toy of this folder into the product under a new name, with its lines in other files."""

import argparse
import keyword
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kaboom.jobs.model import Queue

ROOT = Path(__file__).resolve().parents[2]
TOYS = ROOT / "tests/toys"
CATALOGUE = "src/kaboom/text/ja.po"
FAKES = "tests/fixtures/providers"
_TABLE = r"\n\|[-|]+\|\n(?:\|.*\n)+"


@dataclass(frozen=True)
class Line:
    """A text to write behind the only match of a pattern in a file, or before it."""

    path: str
    pattern: str
    text: str
    is_before: bool = False


@dataclass(frozen=True)
class Plan:
    """What a new job or provider begins with.

    Attributes:
        copies: from a path below `tests/toys` to one of the repository.
        words: what is replaced in the copies.
        lines: what goes into other files.
        texts: the Japanese of the toy, below `tests/toys`.
        edit: what its author edits next, and for what.
        tests: the folder or file of tests to run.

    """

    copies: Mapping[str, str]
    words: Mapping[str, str]
    lines: tuple[Line, ...]
    texts: str
    edit: Mapping[str, str]
    tests: str


def plan_job(name: str, queue: Queue) -> Plan:
    """Return the plan of a kind of job."""
    words, task, folder = name.replace("_", " "), f"{queue}.{name}", f"src/kaboom/{name}"
    test = f"tests/{name}/test_{name}.py"
    imported = f"from kaboom.{name}.jobs import {name.upper()}\n"
    return Plan(
        copies={"feature/toy_digest": folder, "feature/toy_digest_cases.py": test},
        words={
            "market_data": queue.value,
            "market-data": queue.path,
            "A toy: a digest": "A digest",
            "Toy digest": words.capitalize(),
            "toy digest": words,
            **_cases("toy_digest", name),
        },
        lines=(
            Line("src/kaboom/catalog.py", r"^from kaboom\.jobs\.job_type", imported, is_before=True),
            Line(".importlinter", r"accounts \| backtest", f"{name} | ", is_before=True),
            Line("src/kaboom/text/tables.py", r'^    "task": \{\n', f'        "{task}": "{words.capitalize()}",\n'),
            Line("docs/reference/queues.md", rf"^\| `{queue}` \| [^|]*(?= \|)", f", `{task}`"),
            Line("docs/reference/schedules.md", r"`backtest\.run`, `backtest\.sw", f"`{task}`, ", is_before=True),
        ),
        texts="feature/toy_digest.po",
        edit={
            f"{folder}/request.py": "what a caller may ask",
            f"{folder}/jobs.py": "its summary, its check, its result and an example of each",
            f"{folder}/tasks.py": "what it does",
            test: "what you expect of it",
            CATALOGUE: "the Japanese of your texts (`make texts` sorts them)",
            f"changes/{name}.added.md": f"a sentence that names `{task}`",
        },
        tests=f"tests/{name}",
    )


def plan_provider(name: str) -> Plan:
    """Return the plan of a provider."""
    folder, fake, setting = f"src/kaboom/providers/{name}", f"fake_{name}", f"{name.upper()}_URL"
    test, remotes = f"tests/providers/test_{name}.py", f"{FAKES}/remote_providers.py"
    imported = f"from tests.fixtures.providers.{fake} import {name}_remote\n"
    row = f"| `{name}` | the TSE | 1d | any day | no | no | `{setting}` |\n"
    described = f"| `{setting}` | none | The address of the server of `{name}`, which enables it. |\n"
    remote_import = r"^from tests\.fixtures\.providers\.remote import"
    return Plan(
        copies={
            "provider/toycsv": folder,
            "provider/fake_toycsv.py": f"{FAKES}/{fake}.py",
            "provider/toycsv_cases.py": test,
        },
        words={
            "tests.toys.provider.toycsv": f"kaboom.providers.{name}",
            "tests.toys.provider.fake_toycsv": f"tests.fixtures.providers.{fake}",
            "A toy: daily": "Daily",
            **_cases("toycsv", name),
            "ToyCsv": _camel(name),
        },
        lines=(
            Line("src/kaboom/providers/registry.py", r'^_FOLDERS = \(\n(?:    "\w+",\n)+', f'    "{name}",\n'),
            Line(remotes, remote_import, imported, is_before=True),
            Line(remotes, r"^REMOTES: .*\{\n(?:    .*\n)+", f'    "{name}": {name}_remote,\n'),
            Line("docs/reference/providers.md", rf"^\| provider \| bars of .*{_TABLE}", row),
            Line("docs/how-to/repair-gaps.md", rf"^\| provider \| delay \|{_TABLE}", f"| `{name}` | none |\n"),
            Line("docs/how-to/repair-gaps.ja.md", rf"^\| データ提供元 \| 遅れ \|{_TABLE}", f"| `{name}` | なし |\n"),
            Line("docs/reference/settings.md", r"^\| `KABOOM_SYNTHETIC_SEED`", described, is_before=True),
            Line(".env.example", r"^\n# AI analyses:", f"# {setting}=\n", is_before=True),
        ),
        texts="provider/toycsv.po",
        edit={
            f"{folder}/spec.py": "what it has, its limits and its settings",
            f"{folder}/provider.py": "how an answer becomes bars",
            f"{FAKES}/{fake}.py": "a server that answers as the real one does",
            test: "what you expect of it",
            "docs/reference/providers.md": "its row, and a section if it has terms",
            CATALOGUE: "the Japanese of your texts (`make texts` sorts them)",
            f"changes/{name}.added.md": f"a sentence that names `{name}`",
        },
        tests="tests/providers",
    )


def _cases(toy: str, name: str) -> dict[str, str]:
    return {
        toy: name,
        toy.upper(): name.upper(),
        toy.replace("_", "-"): name.replace("_", "-"),
        _camel(toy): _camel(name),
    }


def _camel(name: str) -> str:
    return name.title().replace("_", "")


def check_name(name: str, pattern: str) -> str:
    """Return the name of a new folder.

    Raises:
        ValueError: it is no name of a module, or the folder is there.

    """
    if not re.fullmatch(pattern, name) or keyword.iskeyword(name):
        raise ValueError(f"name was {name!r}, expected one like {'sample_count' if '_' in pattern else 'acme'}")
    for folder in (f"src/kaboom/{name}", f"src/kaboom/providers/{name}", f"tests/{name}"):
        if (ROOT / folder).exists():
            raise ValueError(f"name was {name}, and {folder} exists: choose another")
    return name


def carry_out(plan: Plan) -> None:
    """Write the files and lines of a plan, and sort imports and texts."""
    made = [path for source, target in plan.copies.items() for path in _copy(TOYS / source, ROOT / target, plan.words)]
    for line in plan.lines:
        _add(line)
    with (ROOT / CATALOGUE).open("a", encoding="utf-8") as catalogue:
        catalogue.write("\n" + _replace((TOYS / plan.texts).read_text(encoding="utf-8"), plan.words))
    touched = [str(ROOT / path) for path in {*made, *(line.path for line in plan.lines)} if path.endswith(".py")]
    ruff = str(Path(sys.executable).with_name("ruff"))
    subprocess.run([ruff, "check", "--quiet", "--select=I", "--fix", *touched], cwd=ROOT, check=True)
    subprocess.run([ruff, "format", "--quiet", *touched], cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-m", "tests.text.update"], cwd=ROOT, check=True)
    added = dict.fromkeys([*(line.path for line in plan.lines), CATALOGUE])
    _say("made", dict.fromkeys(made, ""))
    _say("added its lines to", dict.fromkeys(added, ""))
    _say("edit next", plan.edit)
    sys.stdout.write(f"\nthen run:\n  .venv/bin/python -m pytest -q {plan.tests}\n  make quick\n")


def _copy(source: Path, target: Path, words: Mapping[str, str]) -> list[str]:
    pairs = [(source, target)]
    if source.is_dir():
        pairs = [(each, target / each.name) for each in sorted(source.glob("*.py"))]
    target.parent.mkdir(exist_ok=True)
    for old, new in pairs:
        new.parent.mkdir(exist_ok=True)
        new.write_text(_replace(old.read_text(encoding="utf-8"), words), encoding="utf-8")
    return [new.relative_to(ROOT).as_posix() for _, new in pairs]


def _replace(text: str, words: Mapping[str, str]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda found: words[found[0]], text)


def _add(line: Line) -> None:
    file = ROOT / line.path
    content = file.read_text(encoding="utf-8")
    found = list(re.finditer(line.pattern, content, re.MULTILINE))
    if len(found) != 1:
        raise ValueError(f"{line.path} had {len(found)} matches of {line.pattern!r}, expected 1: correct {__file__}")
    at = found[0].start() if line.is_before else found[0].end()
    file.write_text(content[:at] + line.text + content[at:], encoding="utf-8")


def _say(heading: str, paths: Mapping[str, str]) -> None:
    lines = [f"  {path:<44} {why}".rstrip() for path, why in paths.items()]
    sys.stdout.write("\n".join([f"\n{heading}:", *lines, ""]))


def main() -> int:
    """Make what the command line names."""
    parser = argparse.ArgumentParser(prog="kaboom dev new")
    kinds = parser.add_subparsers(dest="kind", required=True)
    job = kinds.add_parser("job")
    job.add_argument("name")
    job.add_argument("--queue", type=Queue, choices=list(Queue), default=Queue.MARKET_DATA)
    kinds.add_parser("provider").add_argument("name")
    given = parser.parse_args()
    try:
        if given.kind == "job":
            plan = plan_job(check_name(given.name, r"[a-z][a-z_]*[a-z]"), given.queue)
        else:
            plan = plan_provider(check_name(given.name, r"[a-z][a-z0-9]+"))
        carry_out(plan)
    except ValueError as e:
        sys.stderr.write(f"kaboom: {e}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
