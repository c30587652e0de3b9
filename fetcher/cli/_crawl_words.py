"""What a crawl came to, in words: its figures, and why some URLs were found and not asked."""

from __future__ import annotations

from typing import Final

from fetcher.cli import _summary
from fetcher.cli._summary import Facts
from fetcher.report.page import visible
from fetcher.site import Site
from fetcher.tally import Tally

# Reason -> what it means, and what to do if it is wrong.
REASONS: Final = {
    "scope": "lie outside of --scope",
    "scheme": "are not http: mailto:, javascript: ...",
    "invalid": "are no URLs",
    "excluded": "kept out by --include and --exclude",
    "robots": "forbidden by robots.txt (--no-robots asks them all the same)",
    "nofollow": "on pages that ask not to be followed (--no-robots)",
    "depth": "further away than --depth",
    "max-pages": "beyond --max-pages",
    "assets": "images, scripts, style sheets ... (--assets same-site)",
    "form": "where forms send to",
    "trap-repeat": "a trap: the same directories again and again",
    "trap-chain": "a trap: endless pages of one form that lead to each other (--max-chain)",
    "trap-alike": "a trap: endless URLs that differ in their queries only (--max-alike)",
    "trap-needs": "a trap: files that need files that need files ...",
    "sitemaps": "sitemaps beyond 10,000",
    "cut": "pages or sitemaps with more URLs than are read",
    "trap-same": "a trap: on pages that say the same as ten others",
    "trap-long": "a trap: URLs of over 2,083 characters or 20 directories",
}


def words(tally: Tally, facts: Facts, site: Site, width: int | None = None) -> str:
    """The summary of a crawl, wrapped where there is a width."""
    lines = _summary.lines(tally, facts)
    if facts.earlier:
        lines.append(
            f"  {facts.earlier:,} of these were asked by an earlier run, and told again from {site.path}; "
            "name a new file to crawl anew"
        )
    examples = site.refused.examples()
    for reason, number in facts.skipped.most_common():
        meaning = REASONS.get(reason, reason)
        example = f": {visible(examples[reason][0])}" if reason in examples else ""
        lines.append(f"  not asked: {number:,} {meaning}{example}")
    if width is not None:
        lines = [part for line in lines for part in _summary.wrapped(line, width)]
    return "\n".join(lines).replace(_summary.KEPT, " ")
