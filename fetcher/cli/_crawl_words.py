"""What a crawl came to, in words: its figures, and why some URLs were found and not asked."""

from __future__ import annotations

from typing import Final

from fetcher.cli import _summary
from fetcher.cli._summary import Facts
from fetcher.refused import REASONS
from fetcher.report.page import visible
from fetcher.site import Site
from fetcher.tally import Tally

# Reason -> what to do if it is wrong.
HINTS: Final = {
    "scope": "--scope",
    "excluded": "--include, --exclude",
    "robots": "--no-robots asks them all the same",
    "nofollow": "--no-robots",
    "depth": "--depth",
    "max-pages": "--max-pages",
    "assets": "--assets same-site",
    "trap-chain": "--max-chain",
    "trap-alike": "--max-alike",
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
        meaning = meant(reason)
        example = f": {visible(examples[reason][0])}" if reason in examples else ""
        lines.append(f"  not asked: {number:,} {meaning}{example}")
    if width is not None:
        lines = [part for line in lines for part in _summary.wrapped(line, width)]
    return "\n".join(lines).replace(_summary.KEPT, " ")


def meant(reason: str) -> str:
    """What a reason means, with the option that changes it."""
    hint = f" ({HINTS[reason]})" if reason in HINTS else ""
    return REASONS.get(reason, reason) + hint
