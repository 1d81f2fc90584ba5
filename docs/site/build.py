# ruff: noqa: INP001 (a script beside pages, in no package)
"""Build the pages as a site: English at `/`, Japanese at `/ja/`, without asking any other host.

Pages stand in the clone as a reader of the repository needs them: both languages beside one another, with links to
code. They are copied to `build/site-pages/en` and `build/site-pages/ja` in the form that the generator reads:

- A link to a page of the same language stays a link, and one to a page of the other language leads there.
- A link to any other file leads to the repository (`KABOOM_REPOSITORY_URL`), or becomes plain text without it.
- A notebook becomes a page with its outputs.
"""

import argparse
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

type Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).with_name("mkdocs.yml")
SECTIONS_JA = {
    "Research": "分析する",
    "Load my data": "データを取り込む",
    "Run it for a team": "チームで運用する",
    "Extend it": "拡張する",
    "Reference": "リファレンス",
    "About": "Kaboomについて",
    "Decisions": "設計判断",
}
_FENCED = re.compile(r"^( *)(```+)[^\n]*\n.*?^\1\2\n", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


@dataclass(frozen=True)
class Site:
    """The pages of one language: paths in the clone, and where the generator reads each."""

    language: Language
    pages: dict[str, str]
    other: dict[str, str]
    repository: str

    def rewrite(self, source: str, text: str) -> str:
        """Return the text of a page with its links changed; blocks of code stay as they are."""
        parts: list[str] = []
        end = 0
        for block in _FENCED.finditer(text):
            parts += [self._change_links(source, text[end : block.start()]), block.group()]
            end = block.end()
        return "".join([*parts, self._change_links(source, text[end:])])

    def _change_links(self, source: str, text: str) -> str:
        return _LINK.sub(lambda link: self._change(source, *link.groups(default="")), text)

    def _change(self, source: str, mark: str, words: str, path: str, anchor: str) -> str:
        if not path or re.match(r"\w+:", path):
            return f"{mark}[{words}]({path}{anchor})"
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        target = f"{target}/README.md" if (ROOT / target).is_dir() else target
        here = posixpath.dirname(self.pages[source])
        if target in self.pages:
            return f"{mark}[{words}]({posixpath.relpath(self.pages[target], here or '.')}{anchor})"
        if target in self.other:
            # The generator changes this path as it changes those of pages. Without the target, its script would take
            # the reader to the front of the other language.
            there = f"{'..' if self.language == 'ja' else 'ja'}/{address_of(self.other[target])}{anchor}"
            return f'<a href="{posixpath.relpath(".", here or ".")}/{there}" target="_self">{words}</a>'
        if target.startswith("docs/images/"):
            return f"{mark}[{words}]({posixpath.relpath(target.removeprefix('docs/'), here or '.')})"
        return f"[{words}]({self.repository}/blob/main/{target}{anchor})" if self.repository else words


def address_of(page: str) -> str:
    """Return the folder in which the generator puts a page: `how-to/read-bars/` of `how-to/read-bars.md`."""
    folder = page.removesuffix(".md").removesuffix("index")
    return f"{folder.rstrip('/')}/" if folder else ""


def place_of(source: str) -> str:
    """Return where the generator reads a page of the clone."""
    path = source.removeprefix("docs/").replace(".ja.", ".").replace(".ipynb", ".md")
    if source in ("README.md", "README.ja.md", "docs/decisions/README.md", "docs/operations/README.ja.md"):
        return path.replace("README.md", "index.md")
    if source == "docs/README.md":
        return "all-pages.md"
    return path.replace("/README.md", ".md")


def list_pages(entry: str, language: Language) -> list[str]:
    """Return the pages of the clone that an entry of `nav` names in a language."""
    wanted = sorted(ROOT.glob(entry)) if "*" in entry else [ROOT / entry]
    if language == "ja":
        pairs = [path if ".ja." in path.name else path.with_suffix(f".ja{path.suffix}") for path in wanted]
        wanted = [path for path in dict.fromkeys(pairs) if path.exists()]
    elif "*" in entry:
        wanted = [path for path in wanted if ".ja." not in path.name and path.name != "README.md"]
    return [path.relative_to(ROOT).as_posix() for path in wanted if path.suffix in (".md", ".ipynb")]


def read_nav(language: Language, config: dict[str, Any]) -> list[Any]:
    """Return the navigation of a language with each entry replaced by the pages that it names."""
    nav: list[Any] = []
    for entry in config["nav"]:
        if isinstance(entry, str):
            nav += list_pages(entry, language)
            continue
        ((section, entries),) = entry.items()
        if pages := [page for each in entries for page in list_pages(each, language)]:
            nav.append({section if language == "en" else SECTIONS_JA[section]: pages})
    return nav


def places_of(nav: list[Any]) -> dict[str, str]:
    """Return where the generator reads each page of a navigation."""
    pages = [page for entry in nav for page in ([entry] if isinstance(entry, str) else next(iter(entry.values())))]
    return {page: place_of(page) for page in pages}


def show_notebook(path: Path) -> str:
    """Return a notebook as a page: its text, its code, and what the code printed, where that is stored."""
    parts: list[str] = []
    for cell in json.loads(path.read_text())["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        outputs = [
            output.get("text", output.get("data", {}).get("text/plain", [])) for output in cell.get("outputs", [])
        ]
        parts += [f"```text\n{''.join(lines).rstrip()}\n```" for lines in outputs if lines]
    return "\n\n".join(parts) + "\n"


def write_pages(site: Site, nav: list[Any], config: dict[str, Any], folder: Path) -> Path:
    """Write the pages of a language and the generator's configuration, and return the latter's path."""
    shutil.rmtree(folder, ignore_errors=True)
    for source, place in site.pages.items():
        path = ROOT / source
        text = show_notebook(path) if path.suffix == ".ipynb" else path.read_text()
        target = folder / "docs" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(site.rewrite(source, text))
    shutil.copytree(ROOT / "docs/images", folder / "docs/images")
    placed = [
        site.pages[entry]
        if isinstance(entry, str)
        else {name: [site.pages[page] for page in pages] for name, pages in entry.items()}
        for entry in nav
    ]
    home = "./" if site.language == "en" else "../"
    languages = [("English", "en", home), ("日本語", "ja", f"{home}ja/")]
    own = {
        "docs_dir": "docs",
        "site_dir": "site",
        "nav": placed,
        "theme": config["theme"] | {"language": site.language},
        "extra": config["extra"]
        | {"alternate": [{"name": name, "lang": lang, "link": link} for name, lang, link in languages]},
    }
    target = folder / "mkdocs.yml"
    target.write_text(yaml.safe_dump(config | own, allow_unicode=True, sort_keys=False))
    return target


def build(out: Path) -> None:
    """Build both languages into a folder; `CalledProcessError` if the generator finds a link that leads nowhere."""
    config = yaml.safe_load(CONFIG.read_text())
    navs = {language: read_nav(language, config) for language in LANGUAGES}
    places = {language: places_of(nav) for language, nav in navs.items()}
    shutil.rmtree(out, ignore_errors=True)
    for language in LANGUAGES:
        other = places["en" if language == "ja" else "ja"]
        site = Site(language, places[language], other, os.environ.get("KABOOM_REPOSITORY_URL", "").rstrip("/"))
        path = write_pages(site, navs[language], config, ROOT / "build/site-pages" / language)
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", path.name]
        subprocess.run(command, cwd=path.parent, check=True)
        shutil.move(path.parent / "site", out if language == "en" else out / "ja")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build/site")
    build(parser.parse_args().out.resolve())
