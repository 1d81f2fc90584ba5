"""`make texts`: add new texts to the catalogue, without Japanese, drop those that nothing says, and sort it."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from kaboom.text.catalogue import load_japanese
from tests.text.extraction import MATCHED, Text, extract

PLACE = "src/kaboom/text/ja.po"
PATH = Path(__file__).resolve().parents[2] / PLACE
_HEAD = """msgid ""
msgstr ""
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Language: ja\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"
"""


def wanted() -> list[Text]:
    """Return every text that the catalogue has after an update; those matched by template as they are."""
    matched = (Text(context, english) for context in MATCHED for english in load_japanese()[context])
    return [*extract(), *matched]


def render(texts: Iterable[Text], japanese: Mapping[str, Mapping[str, str]]) -> str:
    """Return the catalogue as a file, in the order of contexts and texts."""
    entries = [_HEAD]
    for text in sorted(texts, key=lambda each: (each.context, each.english)):
        context = f"msgctxt {_quote(text.context)}\n" if text.context else ""
        plural = f"msgid_plural {_quote(text.several)}\nmsgstr[0]" if text.several else "msgstr"
        said = japanese.get(text.context, {}).get(text.english, "")
        entries.append(f"{context}msgid {_quote(text.english)}\n{plural} {_quote(said)}\n")
    return "\n".join(entries)


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def main() -> int:
    """Update the catalogue; return 1 if a text of it has no Japanese."""
    texts = wanted()
    PATH.write_text(render(texts, load_japanese()))
    new = [text.english for text in texts if text.english not in load_japanese().get(text.context, {})]
    sys.stdout.write("\n".join([f"{PLACE} is up to date", *(f"no Japanese yet: {english}" for english in new), ""]))
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
