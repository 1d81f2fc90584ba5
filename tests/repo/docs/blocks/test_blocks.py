"""Each block of a page is run, or says why not, or is of a kind that a test reads; a block that fails is noticed."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.fixtures.repo.command_blocks import PAGES, Block, read_blocks, write_script
from tests.fixtures.repo.repository import load_text

#: Why blocks are not run → how many, but for translations. A new one needs a reason that a reader can check, and a
#: number here.
NOT_RUN = {
    "a lane of its own": 2,
    "a step of .ci/run of its own": 3,
    "asks for a password": 1,
    "changes the clone; tests/toys runs it in a copy": 2,
    "deletes the clone": 1,
    "downloads JupyterLab, and stays in the foreground": 1,
    "it checks out another commit": 2,
    "make alerts runs the same": 1,
    "moves the clone": 1,
    "RUN stands for an id": 1,
    "needs Docker": 16,
    "needs Google Cloud": 34,
    "needs KABOOM_METRICS_PORT": 1,
    "needs Supabase": 1,
    "needs a Redis of your own": 5,
    "needs a bucket": 1,
    "needs a cluster": 4,
    "needs a database": 1,
    "needs a job that failed": 1,
    "needs a key of J-Quants": 3,
    "needs a public name": 1,
    "needs a repository on GitHub": 4,
    "needs a restart of Kaboom": 3,
    "needs n8n": 2,
    "needs n8n; make e2e-n8n calls the same webhook": 2,
    "needs psql": 3,
    "needs systemd": 1,
    "needs the file of JPX": 1,
    "runs until Ctrl-C": 1,
    "runs until Ctrl-C; tests/acceptance/up/test_main_job.py runs it": 3,
    "runs until Ctrl-C; the other blocks run against it": 5,
    "takes a whole market": 2,
    "takes half an hour": 2,
    "would run itself": 1,
    "the id of a portfolio of yours": 1,
}
#: The blocks that are no commands → what reads them.
READ = {
    "": "nothing to run, as `text`",
    "caddyfile": "deploy/test_caddy.py",
    "csv": "providers/file/test_layouts.py, repo/docs/blocks/test_settings.py",
    "dotenv": "repo/docs/blocks/test_settings.py",
    "http": "repo/docs/test_webhooks_doc.py",
    "json": "repo/docs/blocks/test_requests.py",
    "nginx": "deploy/test_caddy.py",
    "sql": "acceptance/postgres/test_database_roles.py, repo/docs/test_bar_store_doc.py",
    "text": "nothing to run, which a test below checks",
    "toml": "repo/docs/blocks/test_settings.py",
    "yaml": "repo/docs/blocks/test_settings.py",
}
#: The one Japanese page without an English one: a digest of the folder.
OPERATIONS = "docs/operations/README.ja.md"
TRANSLATIONS = [page for page in PAGES if page.endswith(".ja.md") and page != OPERATIONS]
_BLOCKS = [(page, block) for page in PAGES for block in read_blocks(load_text(page))]
#: How a command begins that a reader would type.
_COMMAND = re.compile(r"(\$ )?((\.venv/bin/)?(kaboom|celery|python)|curl|make|docker|git|gcloud|\$) \S")


def test_blocks_that_are_not_run_are_counted_by_their_reason() -> None:
    assert Counter(block.reason for page, block in _BLOCKS if block.reason and page not in TRANSLATIONS) == NOT_RUN


@pytest.mark.parametrize("japanese", TRANSLATIONS)
def test_a_japanese_page_has_the_blocks_of_its_english_one(japanese: str) -> None:
    ours, theirs = (
        [
            (re.sub(r"  # .*", "", b.text), b.reason)
            for b in read_blocks(load_text(page))
            if b.language in {"bash", "python"}
        ]
        for page in (japanese, japanese.replace(".ja.md", ".md"))
    )
    assert ours == theirs


def test_every_fence_is_a_block() -> None:
    assert [page for page in PAGES if load_text(page).count("```") != 2 * len(read_blocks(load_text(page)))] == []


def test_every_other_block_is_of_a_kind_that_is_read() -> None:
    assert {block.language for _, block in _BLOCKS if not block.is_run and not block.reason} == set(READ)


def test_no_command_hides_in_a_block_of_text() -> None:
    found = [
        f"{page}: {line}"
        for page, block in _BLOCKS
        if block.language in {"", "text"}
        for line in block.text.splitlines()
        if _COMMAND.match(line)
    ]
    assert found == []


@pytest.mark.parametrize("language", ["bash", "python"])
def test_a_failing_block_ends_the_script(language: str) -> None:
    text = {"bash": "false | cat\n", "python": "raise SystemExit(3)\n"}[language]
    blocks = [Block(1, language, text, None), Block(2, "bash", "echo reached\n", None)]
    done = run(write_script(blocks, "http://x", 1))
    assert done.returncode != 0
    assert "reached" not in done.stdout


def test_an_unset_variable_ends_the_script() -> None:
    assert run(write_script([Block(1, "bash", "echo $KABOOM_NOBODY_SETS_THIS\n", None)], "http://x", 1)).returncode != 0


def test_what_is_left_running_ends_with_the_script(tmp_path: Path) -> None:
    left = Block(1, "bash", "bash -c 'echo Kaboom is ready; exec sleep 600'\n", None, stays=True)
    script = write_script([left, Block(2, "bash", 'echo "pid ${left[0]}"\n', None)], "http://x", 1)
    done = run(f"cd {tmp_path}\n{script}")
    assert done.returncode == 0, done.stderr
    pid = done.stdout.split("pid ")[1].strip()
    assert run(f"kill -0 {pid}").returncode != 0


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
