"""A folder is a menu: what is on it, how it is opened, and what is said when it cannot be."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from fetcher import menu
from fetcher.errors import UsageError

FOLDERS = ("engines", "feeds", "readers", "sinks", "sources")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A real package with a few entries, one of which needs a library that nobody has."""
    package = tmp_path / "dishes"
    package.mkdir()
    (package / "__init__.py").write_text('"""Dishes."""\n')
    (package / "soup.py").write_text('"""Hot and\nthin.\n\nMore of it."""\nPRICE = 3\n')
    (package / "salad.py").write_text('"""Green."""\nimport no_such_library_here\n')
    (package / "silent.py").write_text("")
    (package / "broken.py").write_text('"""Off."""\nraise ValueError("gone off")\n')
    (package / "_kitchen.py").write_text('"""Not served."""\n')
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("dishes")
    for name in [name for name in sys.modules if name.partition(".")[0] == "dishes"]:
        del sys.modules[name]


def test_names_are_sorted_and_leave_out_private_ones(folder: ModuleType) -> None:
    assert menu.names(folder) == ["broken", "salad", "silent", "soup"]


def test_listing_imports_nothing(folder: ModuleType) -> None:
    menu.names(folder)
    for name in menu.names(folder):
        menu.sentence(folder, name)
    assert [name for name in sys.modules if name.startswith("dishes.")] == []


def test_picking_imports_the_module(folder: ModuleType) -> None:
    assert menu.pick(folder, "soup").PRICE == 3


def test_an_unknown_name_suggests_the_nearest(folder: ModuleType) -> None:
    with pytest.raises(UsageError) as caught:
        menu.pick(folder, "suop")
    assert str(caught.value) == "there is no dishe named 'suop': did you mean soup?"


def test_an_unknown_name_like_no_other_lists_all(folder: ModuleType) -> None:
    with pytest.raises(UsageError, match="choose one of: broken, salad, silent, soup"):
        menu.pick(folder, "xxxxxxxx")


@pytest.mark.parametrize("name", ["_kitchen", "", "..errors", "soup.PRICE"])
def test_only_what_is_on_the_menu_is_served(folder: ModuleType, name: str) -> None:
    with pytest.raises(UsageError):
        menu.pick(folder, name)


def test_a_missing_library_comes_with_its_cure(folder: ModuleType) -> None:
    with pytest.raises(UsageError) as caught:
        menu.pick(folder, "salad")
    message = str(caught.value)
    assert message.startswith("salad needs no_such_library_here, which is not installed")
    assert "pip install" in message
    assert "\n" not in message


def test_an_error_inside_a_module_is_not_hidden(folder: ModuleType) -> None:
    with pytest.raises(ValueError, match="gone off"):
        menu.pick(folder, "broken")


@pytest.mark.parametrize("library", sorted(menu.EXTRAS))
def test_the_cure_names_an_extra_that_exists(library: str) -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    extra = menu.EXTRAS[library]
    wanted = " ".join(project["project"]["optional-dependencies"][extra])
    assert library in wanted
    assert (
        menu.cure(f"{library}.part") == f"needs {library}, which is not installed: pip install '.[{extra}]'"
    )


def test_a_sentence_is_one_line_read_without_import(folder: ModuleType) -> None:
    assert menu.sentence(folder, "soup") == "Hot and thin."
    assert menu.sentence(folder, "silent") == ""
    assert menu.sentence(folder, "nowhere") == ""


@pytest.mark.parametrize("where", FOLDERS)
def test_every_entry_has_its_sentence(where: str) -> None:
    folder = import_module(f"fetcher.{where}")
    assert menu.names(folder), "an empty menu"
    for name in menu.names(folder):
        assert menu.sentence(folder, name).endswith((".", "?", ":")), name
