"""The laws of the house, read from the source: who imports whom, how a module opens, how long it is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fetcher"
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the top down. A room may import what stands on a lower line, and a neighbour on its own line as long as
# the neighbour does not import it back. `server` stands alone: see `test_the_server_stands_alone`.
LAYERS = [
    "fetcher __main__",
    "cli",
    "findings report",
    "api comparison inspection loadtest",
    "partition",
    "server",
    "run",
    "drive outbox outputs records ledger given",
    "engines",
    "feeds",
    "pump",
    "sources readers sinks",
    "budgets site scope handover child",
    "links joined markup styles charset traps media database refused pages resolve headers decode tables",
    "layers frames framing head lines chunks urls logins addresses",
    "histogram tally descriptors usage difference where",
    "menu",
    "model",
    "options",
    "errors",
]
LEVEL = {room: depth for depth, line in enumerate(reversed(LAYERS)) for room in line.split()}
MENUS = ("engines", "feeds", "findings", "partition.places", "readers", "sinks", "sources")
LINES = 220
LONGER: dict[str, str] = {}  # module -> why it is longer
ENGINES_NEED = ["aiohttp", "requests", "urllib3", "pyarrow", "tenacity", "jinja2", "selectolax", "ada_url"]
HEAVY = [*ENGINES_NEED, "asyncio", "rich", "typer"]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


KNOWN = {name_of(path) for path in MODULES}
IDS = [name_of(path) for path in MODULES]
every_module = pytest.mark.parametrize("path", MODULES, ids=IDS)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """The modules of this package that a module imports, wherever in it, for typing too."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(tree_of(path)):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            home = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*home, *([node.module] if node.module else [])])
            found = [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func) and node.args:
            found = [text.value for text in ast.walk(node.args[0]) if isinstance(text, ast.Constant)]
        for name in found:
            while isinstance(name, str) and name.partition(".")[0] == "fetcher":
                if name in KNOWN:
                    yield name
                    break
                name = name.rpartition(".")[0]


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "fetcher"


EDGES = {name_of(path): sorted(set(imports(path)) - {name_of(path)}) for path in MODULES}


def test_the_edges_are_seen() -> None:
    assert "fetcher.sinks" in EDGES["fetcher.outbox"]
    assert "fetcher.decode" in EDGES["fetcher.engines._exchange"]
    assert "fetcher.menu" in EDGES["fetcher.engines"]


@every_module
def test_every_room_has_its_line(path: Path) -> None:
    assert room_of(name_of(path)) in LEVEL, "put the new room on its line in LAYERS"


@every_module
def test_imports_point_down(path: Path) -> None:
    me = name_of(path)
    mine = LEVEL[room_of(me)]
    # The package itself holds the version and re-exports lazily: anyone may ask it for the version.
    up = [other for other in EDGES[me] if other != "fetcher" and LEVEL[room_of(other)] > mine]
    assert not up, f"{me} imports what stands above it: {', '.join(up)}"


def test_neighbours_do_not_import_each_other_back() -> None:
    rooms: dict[str, set[str]] = {}
    for module, others in EDGES.items():
        rooms.setdefault(room_of(module), set()).update(room_of(one) for one in others if one != "fetcher")

    def reach(room: str, seen: set[str]) -> set[str]:
        for other in rooms.get(room, set()) - seen - {room}:
            reach(other, seen | {other})
            seen.add(other)
            seen |= reach(other, seen)
        return seen

    circles = [room for room in rooms for other in rooms[room] - {room} if room in reach(other, {other})]
    assert not circles, f"these rooms import each other in a circle: {', '.join(sorted(set(circles)))}"


@every_module
def test_siblings_of_a_menu_do_not_import_each_other(path: Path) -> None:
    me = name_of(path)
    folder = me.rpartition(".")[0]
    if folder.removeprefix("fetcher.") not in MENUS or path.name == "__init__.py":
        return
    others = [
        one
        for one in EDGES[me]
        if one.startswith(f"{folder}.") and not one.rpartition(".")[2].startswith("_")
    ]
    assert not others, f"{me} imports {', '.join(others)}: put what they share into {folder}._NAME"


def test_private_modules_stay_in_their_folder() -> None:
    for me, others in EDGES.items():
        for other in others:
            folder, _, name = other.rpartition(".")
            if name.startswith("_") and name != "__main__":
                assert (me + ".").startswith(folder + "."), f"{me} imports {other}, private to {folder}"


def test_the_server_stands_alone() -> None:
    for me, others in EDGES.items():
        if room_of(me) == "server":
            # It shares no framing, coding or URL code with what it tests: words for people only.
            strangers = [one for one in others if room_of(one) not in {"server", "errors", "menu", "fetcher"}]
            assert not strangers, f"{me} imports {', '.join(strangers)}: a test site must not share them"


@every_module
def test_a_module_opens_with_one_sentence(path: Path) -> None:
    first = (ast.get_docstring(tree_of(path)) or "").split("\n\n")[0].replace("\n", " ")
    assert first, "it has no docstring"
    assert first[0].isupper() or not first[0].isalpha(), first
    assert first.endswith((".", "?", ":")), first
    assert not re.search(r"(?<!\be\.g)(?<!\bi\.e)[.?!] [A-Z]", first), f"more than one sentence: {first}"


@every_module
def test_names_say_what_a_thing_is(path: Path) -> None:
    assert path.stem.strip("_") not in {"utils", "util", "helpers", "helper", "common", "base", "misc"}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef):
            assert not node.name.endswith(("Manager", "Handler", "Helper", "Impl")), node.name


@every_module
def test_a_module_stays_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    allowed = lines if name_of(path) in LONGER else LINES
    assert lines <= allowed, f"{lines} lines; split it by idea, or give the reason in LONGER"


@every_module
def test_nothing_is_printed_or_executed(path: Path) -> None:
    words = room_of(name_of(path)) == "cli"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "pickle.load", "pickle.loads", "marshal.loads"}, called
            assert words or called != "print", f"line {node.lineno}: only the command line prints"


def test_long_modules_are_still_long() -> None:
    for module in LONGER:
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        assert len(path.read_text(encoding="utf-8").splitlines()) > LINES, f"strike {module} from LONGER"


def python(code: str) -> subprocess.CompletedProcess[str]:
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    return run


def test_importing_the_package_is_cheap() -> None:
    code = f"import sys, fetcher; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    assert python(code).stdout.split() == []


def test_the_command_starts_without_the_engines() -> None:
    code = (
        "import sys, fetcher.cli\n"
        "try: sys.argv[1:] = ['--version']; fetcher.cli.main()\n"
        "except SystemExit: pass\n"
        f"print(*[name for name in {ENGINES_NEED!r} if name in sys.modules], file=sys.stderr)"
    )
    run = python(code)
    assert run.stderr.split() == []
    assert run.stdout.startswith("fetch 0.")
