"""The bench runs through, counts what every arm asks for, and judges by the rule that it states; no speed."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import arms, crawlers, manual
from bench.__main__ import main
from bench.arms import Arm, Missing, arm
from bench.budgets import verdicts
from bench.judging import Unjudged, figures, judge, wall
from bench.manual import Crawled
from bench.measure import run
from bench.rounds import Group, Plan, Sample, hidden, race
from bench.servers import Server, server
from bench.workloads import Sizes, measured

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
SOME = "fetch -e asyncio;fetch -e curl;curl -Z;wget2;aiohttp script"


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-m", "bench", *words], cwd=ROOT, capture_output=True, text=True, timeout=250, check=False
    )


def plan(folder: Path, rounds: int = 1) -> Plan:
    return Plan(rounds, random.Random(1), folder, warm=False)


def group_of(**runs: list[float]) -> Group:
    samples = {name: [Sample(wall, wall, 1, 0, 0, 0) for wall in walls] for name, walls in runs.items()}
    return Group("w1", "a title", "", "", counts=dict.fromkeys(runs, 1), runs=samples)


def check_quick(done: subprocess.CompletedProcess[str], kept: Path, page: Path) -> dict[str, Group]:
    """What every smoke run must have done."""
    assert done.returncode == 0, done.stderr
    groups = {one["key"]: Group(**one) for one in json.loads(kept.read_text())["groups"]}
    for group in groups.values():
        assert f"### {group.title}" in done.stdout
        refused = [why for why in group.refused.values() if not why.startswith("missing: ")]
        assert not refused, "an arm did not cause exactly as many requests as it was given, or failed"
        assert set(group.runs) | set(group.refused) >= set(group.counts)
        for samples in group.runs.values():
            assert all(wall > 0 and cpu > 0 for wall, cpu, *_ in samples)
    assert "The budgets of DESIGN section 5, again" in done.stdout
    written = page.read_text()
    assert "### Command lines" in written
    for private in (str(ROOT), str(kept.parent), str(Path.home()), "/tmp/"):
        assert private not in written
    return groups


def test_a_smoke_run_counts_every_arm_and_prints_the_tables(tmp_path: Path) -> None:
    kept, page = tmp_path / "kept.json", tmp_path / "RESULTS.md"
    done = bench("--quick", "--only", "w1,w2,w5", "--arms", SOME, "--save", str(kept), "--write", str(page))
    groups = check_quick(done, kept, page)
    assert "fetch -e asyncio" in groups["w1"].runs
    assert "fetch -e threads" not in groups["w1-slow-4"].counts, "--arms did not ask for it"
    assert "fetch --version" in groups["w5"].runs
    counted = groups["w1"].runs["fetch -e asyncio"][0][5]
    assert counted == (64 if "nginx, 1 worker" in groups["w1"].server else -1), "connections, kept alive"


def test_a_smoke_run_of_the_crawl_finds_every_page_and_no_other(tmp_path: Path) -> None:
    kept, page = tmp_path / "kept.json", tmp_path / "RESULTS.md"
    done = bench("--quick", "--only", "crawl", "--save", str(kept), "--write", str(page))
    group = check_quick(done, kept, page)["crawl"]
    assert set(group.runs) | set(group.refused) == set(crawlers.NAMES)
    if "fetch crawl -e asyncio" in group.runs:  # there is an nginx
        assert group.counts["fetch crawl -e asyncio"] == 13, "12 pages and one that is missing"
        assert "crawling: Scrapy's CPU, to that of `fetch crawl -e asyncio` | >= 12 x" in page.read_text()
    else:
        assert "needs nginx for files" in group.refused["fetch crawl -e asyncio"]


@pytest.mark.long
def test_a_smoke_run_of_everything(tmp_path: Path) -> None:
    kept, page = tmp_path / "kept.json", tmp_path / "RESULTS.md"
    groups = check_quick(bench("--quick", "--save", str(kept), "--write", str(page)), kept, page)
    assert {key.partition("-")[0] for key in groups} == {"w1", "w2", "w3", "w4", "w5", "crawl"}


def test_an_arm_that_asks_too_little_is_refused(tmp_path: Path) -> None:
    with server(embedded=False) as at:
        assert isinstance(at, Server)
        code = "import sys, urllib.request as u; [u.urlopen(x).read() for x in sys.argv[1:]]"
        words = (PYTHON, "-c", code, *at.urls(3).split())
        found = [Arm("exact", words, 3, 1), Arm("lazy", words[:-1], 3, 1), Arm("eager", words, 2, 1)]
        group = race(plan(tmp_path), Group("w1", "", at.what, ""), found, at)
    if "not counted" in at.what:  # no nginx here
        assert set(group.runs) == {"exact", "lazy", "eager"}
        return
    assert set(group.runs) == {"exact"}
    assert group.runs["exact"][0].connections == 3
    assert "caused 2 requests for 3 URLs" in group.refused["lazy"]
    assert "caused 3 requests for 2 URLs" in group.refused["eager"]


def test_an_arm_that_fails_is_refused_with_what_it_said(tmp_path: Path) -> None:
    code = "import sys; sys.exit('no such luck')"
    group = race(plan(tmp_path), Group("x", "", "", ""), [Arm("a", (PYTHON, "-c", code), 1, 1)], None)
    assert group.refused == {"a": "refused: ended with 1: no such luck"}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([("/index.html", 200), ("/gone.html", 404), ("/more.py", 200)], ""),
        ([("/index.html", 200)], "found 1 pages of 2, see /gone.html"),
        ([("/index.html", 200), ("/gone.html", 200)], "found 2 pages of 2, see /gone.html"),
        ([("/index.html", 200), ("/gone.html", 404), ("/index.html", 200)], "found 3 pages of 2, see /index"),
        (None, "found 0 pages of 2, see /gone.html, /index.html"),
    ],
)
def test_a_crawl_that_finds_other_pages_spoils_the_workload(
    tmp_path: Path, told: list[tuple[str, int]] | None, why: str
) -> None:
    pages = {"/index.html": 200, "/gone.html": 404}
    found = []
    for name, lines in (("fetch crawl -e curl", told), ("Scrapy", list(pages.items()))):
        kept = tmp_path / name
        said = [
            json.dumps({"url": f"http://127.0.0.1:1{path}", "status": code}) for path, code in lines or ()
        ]
        code = f"import pathlib as p; p.Path({str(kept)!r}).write_text({chr(10).join(said)!r})"
        words = (PYTHON, "-c", code if lines else "pass")
        kept.write_text('{"url": "http://127.0.0.1:1/index.html", "status": 200}\n')  # of another run
        found.append(Arm(name, words, 2, 1, crawled=Crawled(kept, pages)))
    group = race(plan(tmp_path, 2), Group("crawl", "", "", "", together=True), found, None)
    if not why:
        assert {name: len(runs) for name, runs in group.runs.items()} == {
            "fetch crawl -e curl": 2,
            "Scrapy": 2,
        }
        return
    assert group.runs == {}
    assert group.refused["fetch crawl -e curl"].startswith(f"refused: {why}")
    assert group.refused["Scrapy"] == "refused: another arm was, and all must find the same"
    assert [one.broken for one in verdicts([group])][:1] == [True]


def test_the_pages_of_a_site_are_told_by_its_files_alone(tmp_path: Path) -> None:
    root = manual.made(tmp_path / "site", 3)
    assert manual.pages(root) == {"/index.html": 200, "/1.html": 200, "/2.html": 200, "/gone.html": 404}
    (root / "2.html").write_text("<a class='x' HREF='../sub/a&#46;html#b'>a</a><a href=//other/b.html>b</a>")
    (root / "sub").mkdir()
    (root / "sub/a.html").write_text('<a href="#top">top</a> <a href="/1.html">1</a> <a href="c.txt">c</a>')
    manual.pages.cache_clear()
    found = {"/index.html": 200, "/1.html": 200, "/2.html": 200, "/sub/a.html": 200, "/gone.html": 404}
    assert manual.pages(root) == found


def test_without_the_manual_the_crawl_is_missing_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manual, "MANUAL", tmp_path)
    (group,) = measured(["crawl"], plan(tmp_path), Sizes())
    whys = {"missing: needs the Python manual: apt install python3.11-doc"}
    if "nginx for files" in "".join(group.refused.values()):
        whys = {"missing: needs nginx for files: apt install nginx-light"}
    assert set(group.refused) == set(crawlers.NAMES)
    assert set(group.refused.values()) == whys


def test_the_embedded_site_says_that_it_is_the_server() -> None:
    with server(embedded=True) as at:
        assert isinstance(at, Server)
        assert "embedded site (as asked)" in at.what
        assert "not counted" in at.what
        assert at.counts() is None
    with server(embedded=True, tls=True) as reason:
        assert isinstance(reason, str)
        assert "nginx" in reason


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    listed = tmp_path / "list.txt"
    listed.write_text("http://127.0.0.1:1/\n")
    assert arm(arms.WGET2, listed, 1, 4) == Missing(arms.WGET2, "wget2 is not installed")
    assert arm(arms.CURL_Z, listed, 1, 4) == Missing(arms.CURL_Z, "curl is not installed")


def test_a_false_urllib3_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "urllib3/backend").mkdir(parents=True)
    (tmp_path / "urllib3/__init__.py").write_text('__version__ = "2.13.900"\n')
    (tmp_path / "urllib3/backend/__init__.py").touch()
    code = [PYTHON, "-m", "bench.scripts.genuine"]
    assert subprocess.run(code, cwd=ROOT, check=False).returncode == 0
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    false = subprocess.run(code, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert false.returncode == 1
    assert "not the genuine one" in false.stderr


def test_cpu_and_memory_are_those_of_the_whole_tree(tmp_path: Path) -> None:
    """A child that was waited for, one that was left behind, and memory that two hold at once."""
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    hold = "import time; kept = b'x' * (60 << 20); time.sleep(0.8)"
    code = (
        f"import subprocess as s, sys; kept = b'x' * (40 << 20); s.run([sys.executable, '-c', {burn!r}]);"
        f"s.Popen([sys.executable, '-c', {burn!r}]); s.run([sys.executable, '-c', {hold!r}])"
    )
    here = (
        "from pathlib import Path; import sys; from bench.measure import prepare, run; prepare();"
        "print(*run([sys.executable, '-c', sys.argv[1]], out=Path(sys.argv[2]), cwd=Path(), env={})[:3])"
    )
    words = [PYTHON, "-c", here, code, str(tmp_path / "out")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=50)
    _, cpu, rss = map(float, done.stdout.split())
    assert cpu >= 1.0
    assert rss >= 100


def test_the_first_output_is_timed_and_the_servers_time_is_not_ours(tmp_path: Path) -> None:
    code = "import time; time.sleep(0.2); print(1, flush=True); time.sleep(1.3)"
    taken = run([PYTHON, "-c", code], out=None, cwd=tmp_path, env={})
    assert 0.2 <= taken.first <= taken.wall - 0.3
    assert taken.code == 0


def test_what_outlives_its_time_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    taken = run([PYTHON, "-c", "import time; time.sleep(60)"], out=None, cwd=tmp_path, env={}, timeout=0.5)
    assert taken.code == -9
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("values", "limit", "word"),
    [
        ([0.9, 0.8, 0.95], 1.0, "held"),
        ([0.9, 0.8, 1.3], 1.0, "held, within the noise"),
        ([1.1, 0.9, 1.3], 1.0, "missed, within the noise, by a factor of 1.10"),
        ([1.1, 1.01, 1.3], 1.0, "BROKEN by a factor of 1.10"),
        ([2.6, 2.4, 3.0], -2.5, "held, within the noise"),
        ([2.0, 2.4, 1.0], -2.5, "BROKEN by a factor of 1.25"),
    ],
)
def test_a_budget_is_broken_where_no_round_keeps_it(values: list[float], limit: float, word: str) -> None:
    found = judge("a budget", limit, lambda: values)
    assert found.word == word
    assert found.broken == word.startswith("BROKEN")


def test_without_a_figure_only_our_own_failure_breaks_a_budget() -> None:
    group = group_of(other=[1.0])
    group.refused = {
        "wget2": "missing: no",
        "curl -Z": "refused: 2 for 3",
        "fetch -e curl": "refused: 2 for 3",
    }
    for name, broken in (("wget2", False), ("curl -Z", False), ("fetch -e curl", True), ("nobody", False)):
        with pytest.raises(Unjudged) as gap:
            figures(group, name, wall)
        assert gap.value.broken == broken


@pytest.mark.parametrize(("mine", "code"), [(1.2, 1), (0.8, 0)])
def test_bench_check_ends_with_1_where_a_budget_is_broken(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    mine: float,
    code: int,
) -> None:
    walls = {"fetch -e curl": [mine] * 5, "curl -Z": [1.0] * 5}
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps({"about": ["- a machine"], "groups": [vars(group_of(**walls))]}))
    monkeypatch.setattr(sys, "argv", ["bench", "--check", "--from", str(kept)])
    assert main() == code
    out, err = capsys.readouterr()
    assert "- a machine" in out
    assert bool(re.search("to `curl -Z`: <= 1 x, BROKEN by a factor of 1.20", err)) == bool(code)


def test_no_path_of_this_machine_is_shown(tmp_path: Path) -> None:
    words = f"{PYTHON} {Path(PYTHON).with_name('fetch')} {tmp_path}/list.txt {ROOT}/bench"
    assert hidden(words, tmp_path) == "python fetch TMP/list.txt ./bench"
