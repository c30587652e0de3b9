"""What the documents say is so: every name a user may type or meet stands there, and the examples run."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fetcher
from fetcher import cli, engines, menu, sinks, sources
from fetcher.errors import KINDS
from fetcher.model import COLUMNS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
EXIT_CODES = (0, 1, 2, 3, 4, 130, 141, 143)


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def manual() -> str:
    """README and everything under docs/."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def named(word: str, text: str) -> bool:
    """Whether the word stands there by itself: not inside another, longer name."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def fetch(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fetcher", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("name", menu.names(engines))
def test_readme_names_every_engine(name: str, readme: str) -> None:
    assert named(f"--engine {name}", readme) or f"`{name}`" in readme


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_readme_names_every_command(name: str, readme: str) -> None:
    assert named(f"fetch {name}", readme) or (name == "get" and "fetch [get]" in readme)


def test_help_names_every_command() -> None:
    shown = fetch("--help")
    assert shown.returncode == 0, shown.stderr
    missing = [name for name in cli.COMMANDS if name != "get" and not named(f"fetch {name}", shown.stdout)]
    assert not missing


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_its_help(name: str) -> None:
    shown = fetch(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "--help" in shown.stdout


@pytest.mark.parametrize("folder", [sinks, sources], ids=["sinks", "sources"])
def test_readme_names_every_suffix(folder: object, readme: str) -> None:
    suffixes = {suffix for name in menu.names(folder) for suffix in menu.pick(folder, name).SUFFIXES}
    assert suffixes, "no file of this folder has a suffix"
    assert not {suffix for suffix in suffixes if f"{suffix}`" not in readme and not named(suffix, readme)}


@pytest.mark.parametrize("code", EXIT_CODES)
def test_readme_names_every_exit_code(code: int, readme: str) -> None:
    assert re.search(rf"`{code}`|^\|\s*{code}\s*\||\bexit(?:s| code)? {code}\b", readme, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_kind_is_documented(kind: str, manual: str) -> None:
    assert named(kind, manual)


@pytest.mark.parametrize("column", [*COLUMNS, "sha256"])
def test_every_field_of_a_record_is_documented(column: str, manual: str) -> None:
    assert named(column, manual)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_the_pages_hold(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


def test_the_examples_of_the_readme_run(readme: str) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    for block in blocks:
        if ">>>" not in block:  # a sketch: it must at least be Python
            compile(block, "README.md", "exec")
    check("\n".join(block for block in blocks if ">>>" in block), "README.md")


def test_the_example_of_the_package_runs() -> None:
    check(fetcher.__doc__ or "", "fetcher/__init__.py")


def check(text: str, name: str) -> None:
    """Run the `>>>` examples of a text, in order, with one set of variables."""
    test = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
    assert test.examples, f"{name} has no example"
    said: list[str] = []
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    doctest.DocTestRunner(optionflags=options).run(test, out=said.append)
    assert not said, "".join(said)
