"""One comparison as rows of words: what its verdict allows to be said, in the order that it allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from fetcher.report.rows import Entry, Row, answers, figures, laps
from fetcher.report.words import count, number, span

WORDS: Final = {
    "ok": "ok: ranked by time",
    "server-bound": "server-bound: ranked by CPU time",
    "disagree": "disagree: not ranked",
    "invalid": "invalid: not ranked",
}
RANKED: Final = {"ok": "time", "server-bound": "cpu"}
ORDER: Final = {
    "time": "medians of all blocks, the fastest first; ~: no more than chance",
    "cpu": "medians of all blocks, the least CPU first: the server set the pace, so time ranks nobody; "
    "~: no more than chance",
    "": "medians of all blocks, by name: nothing here ranks the engines",
}


@dataclass
class Chart:
    """A figure with how to read it."""

    title: str
    hint: str
    svg: str


@dataclass
class Section:
    """One comparison in words; `engines` are in the order in which they may be shown."""

    verdict: str
    title: str
    sentence: str
    engines: dict[str, Entry]
    arms: dict[str, Entry]  # the engines, and the control where its laps are known
    leads: dict[str, str]  # ratio, cpu_ratio -> whose is 1
    rows: list[Row]
    answers: list[Row]
    laps: list[Row]
    noise: str
    facts: list[tuple[str, str]]
    warnings: list[str]
    odd: list[dict[str, Any]]
    disagreeing: int
    charts: list[Chart] = field(default_factory=list)

    @property
    def rank(self) -> str:
        """`time`, `cpu`, or empty where nobody is ranked."""
        return RANKED.get(self.verdict, "")

    @property
    def words(self) -> str:
        """The verdict for people."""
        return WORDS.get(self.verdict, self.verdict)

    @property
    def order(self) -> str:
        """Why the engines stand in this order."""
        return ORDER[self.rank]

    @property
    def names(self) -> list[str]:
        """Of the engines."""
        return list(self.engines)


def section(record: dict[str, Any], title: str = "") -> Section:
    """What a comparison's record has to say."""
    rank = RANKED.get(record["verdict"], "")
    engines: dict[str, Entry] = record["engines"]
    if not rank:
        engines = dict(sorted(engines.items()))
    arms = {**engines, **_again(record["control"])}
    leads = {
        "ratio": min(engines, key=lambda name: (engines[name]["p"] is not None, engines[name]["seconds"])),
        "cpu_ratio": min(engines, key=lambda name: engines[name]["cpu_per_url"]),
    }
    return Section(
        verdict=record["verdict"],
        title=title,
        sentence=record["sentence"],
        engines=engines,
        arms=arms,
        leads=leads,
        rows=figures(list(engines.values()), rank),
        answers=answers(list(engines.values())),
        laps=laps(arms),
        noise=_noise(record["control"]),
        facts=_facts(record),
        warnings=record.get("warnings", []),
        odd=record["disagree"],
        disagreeing=record["disagreeing"],
    )


def _again(control: dict[str, Any]) -> dict[str, Entry]:
    """The control as an arm."""
    if not (blocks := control.get("blocks")):
        return {}
    walls = sorted(lap["wall"] for lap in blocks)
    middle = (walls[len(walls) // 2] + walls[(len(walls) - 1) // 2]) / 2
    return {f"{control['engine']} again": {"blocks": blocks, "seconds": middle}}


def _noise(control: dict[str, Any]) -> str:
    ratio = control["ratio"]
    return (
        f"{control['engine']} ran twice in every block: its second laps took {ratio['median']:.3f} times as "
        f"long as its first ({span(ratio['low'], ratio['high'])}, p {number(control['p'])}), so what differs "
        f"by less than {control['floor'] - 1:.1%} is noise"
    )


def _facts(record: dict[str, Any]) -> list[tuple[str, str]]:
    most = record["most"]
    found = [
        ("Seed", str(record["seed"])),
        ("Blocks", count(record["blocks"])),
        ("URLs in the list", count(record["urls"])),
        ("URLs of each warm-up", count(record["warmup"])),
        ("Requests in all", count(record["requests"])),
    ]
    if most["host"]:
        found.append(("Most requests to one host", f"{count(most['requests'])} to {most['host']}"))
    if record.get("alone"):
        found.append(("An answer with the server to itself", f"{number(record['alone'] * 1e3)} ms"))
    if record.get("changing"):
        found.append(("URLs that changed by themselves", count(record["changing"])))
    return found


def environment(record: dict[str, Any]) -> list[tuple[str, str]]:
    """The machine, as far as the record tells."""
    found = record.get("environment") or {}
    words = {
        "fetch": "fetch",
        "python": "Python",
        "tls": "TLS",
        "system": "System",
        "processor": "Processor",
        "cpus": "CPUs",
    }
    pairs = [(word, str(found[name])) for name, word in words.items() if found.get(name) is not None]
    if libraries := found.get("libraries"):
        pairs.append(("Libraries", ", ".join(f"{name} {version}" for name, version in libraries.items())))
    if found.get("load"):
        pairs.append(("Load (1, 5, 15 minutes)", ", ".join(f"{one:.2f}" for one in found["load"])))
    return pairs
