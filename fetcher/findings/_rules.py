"""What an audit may find, as one closed list: how bad it is, what it means, what to do."""

from __future__ import annotations

from typing import Final, NamedTuple

LEVELS: Final = ("error", "warning", "note")  # the worst first; SARIF's words


class Rule(NamedTuple):
    """One thing that can be found."""

    level: str
    title: str
    help: str  # what it means, and what to do


class Finding(NamedTuple):
    """One thing that was found. `message` is safe to show; `url` and `where` may hold any characters."""

    rule: str  # a key of RULES
    level: str
    message: str
    url: str  # what it is about
    where: tuple[str, ...] = ()  # the pages to mend, at most 20; none: the URL itself is
    linked: int = 0  # how many pages there are to mend in all
    name: str = ""  # what tells it from others of its rule from one run to the next; "": the URL


RULES: Final[dict[str, Rule]] = {
    "broken-link": Rule(
        "error",
        "Broken link",
        "No answer, or an error: mend the link or what it leads to.",
    ),
    "budget-failed": Rule(
        "error", "Budget exceeded", "Something is heavier, slower or more than its budget allows."
    ),
    "unchecked-link": Rule(
        "warning",
        "Link not verified",
        "Whether the URL works could not be told: a site may refuse robots or be busy. Look for yourself.",
    ),
    "sitemap-failed": Rule(
        "warning", "Sitemap failed", "The sitemap could not be read, so what only it names was not seen."
    ),
    "fragment-missing": Rule(
        "warning",
        "Anchor missing",
        "A link names an #anchor that the page does not have: the reader lands at its top.",
    ),
    "redirect-chain": Rule(
        "warning",
        "Redirect chain",
        "A link takes several redirects, each a round trip: link to where it ends.",
    ),
    "compression-off": Rule(
        "warning", "Text sent uncompressed", "Turn on gzip, br or zstd for text: it saves most of the bytes."
    ),
    "redirect": Rule("note", "Redirected link", "A link is redirected: link to where it leads."),
    "uncompressed": Rule("note", "File sent uncompressed", "Turn on gzip, br or zstd for this file."),
    "duplicate": Rule(
        "note", "Same content under several URLs", "Link to one of them, and redirect the others to it."
    ),
    "uncached": Rule(
        "note", "File without caching", "Send Cache-Control or ETag: else each visit fetches the file again."
    ),
    "not-shown": Rule("note", "More findings than are shown", "The record of the audit has them all."),
}
