"""Whether a crawl follows a URL, and if not, why; and which URLs are one page."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from fetcher.errors import UsageError
from fetcher.traps import ALIKE, UUID, VAGUE, Alike, is_long, is_repeating
from fetcher.traps import shape as shape

SCOPES: Final = ("host", "path", "subdomains", "any")
# Why a URL is refused, in the order in which it is looked for.
REASONS: Final = ("scope", "excluded", "trap-long", "trap-repeat", "trap-chain", "trap-alike", "depth")
CHAIN: Final = 100  # pages of one form, each found through the one before: 8 years of months

# Two pages taken for one are one page lost, and nobody is told. So a name of `VAGUE` (`s` is also
# WordPress's search) goes only with a value that nobody would write: hex, or digits three times among
# letters.
RANDOM: Final = (
    rf"(?:{UUID}|(?=[a-f]*[0-9])[0-9a-f]{{16,}}|(?=[a-z]*[0-9]+[a-z]+[0-9]+[a-z]+[0-9])[0-9a-z]{{16,}})"
)
SESSION: Final = ("phpsessid", "jsessionid", "aspsessionid[a-z]*", "cftoken", "sessid", "phpsessionid")
# What Firefox strips (its query-stripping list), and the campaigns of Google, Matomo, Mailchimp, HubSpot.
TRACKING: Final = (
    *("utm_[a-z_-]*", "mtm_[a-z_]*", "(?:pk|piwik)_(?:campaign|kwd|keyword)", "fbclid", "gclid", "gclsrc"),
    *("dclid", "gbraid", "wbraid", "gad_source", "gad_campaignid", "srsltid", "msclkid", "mc_cid", "mc_eid"),
    *("_ga", "_gl", "yclid", "ysclid", "_openstat", "twclid", "ttclid", "li_fat_id", "igshid", "epik"),
    *("_hsenc", "_hsmi", "__hssc", "__hstc", "__hsfp", "hsctatracking", "mkt_tok", "vero_id", "vero_conv"),
    *("oly_anon_id", "oly_enc_id", "wickedid", "rb_clickid", "s_cid", "__s", "_ke", "_kx"),
)
NOISE: Final = re.compile(
    rf"(?:^|&)(?:(?:{'|'.join(SESSION + TRACKING)})(?:=[^&]*)?|(?:{'|'.join(VAGUE)})={RANDOM})(?![^&])",
    re.IGNORECASE,
)
# ColdFusion's pair is dropped as a pair, as heritrix does: CFID alone is only a number.
CFTOKEN: Final = re.compile(r"(?:^|&)cftoken(?![^&=])", re.IGNORECASE)
CFID: Final = re.compile(r"(?:^|&)cfid(?:=[^&]*)?(?![^&])", re.IGNORECASE)
IN_PATH: Final = re.compile(r";jsessionid=[^/;?&]*", re.IGNORECASE)  # servlets
COOKIELESS: Final = re.compile(r"/\((?:[A-Za-z]\([0-9A-Za-z_-]{16,}\))+\)(?=/)")  # ASP.NET: /(S(lit3p...))/


def key(href: str) -> str:
    """What makes two URLs the same page: the URL without session ids and tracking parameters."""
    if "?" not in href and ";" not in href and "/(" not in href:
        return href
    path, _, query = href.partition("?")
    if ";" in href:
        path, query = IN_PATH.sub("", path), IN_PATH.sub("", query)
    if "/(" in path:
        path = COOKIELESS.sub("", path)
    kept = NOISE.sub("", query)
    if kept != query:
        if CFTOKEN.search(query):
            kept = CFID.sub("", kept)
        if query[0] != "&":
            kept = kept.removeprefix("&")
    return f"{path}?{kept}" if kept else path


class Scope:
    """The decisions of one crawl. Raises UsageError for an unknown word or a pattern that is none.

    Patterns are Python's, searched in the whole URL. They are not guarded: one with a repetition inside a
    repetition, as `(a+)+b`, may take for ever on a long URL.
    """

    def __init__(
        self,
        starts: Sequence[str],
        *,
        scope: str = "host",
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        depth: int | None = None,
        chain: int = CHAIN,
        alike: int = ALIKE,
    ) -> None:
        if scope not in SCOPES:
            close = get_close_matches(scope, SCOPES, 1)
            hint = f"did you mean {close[0]}?" if close else f"give {', '.join(SCOPES[:-1])} or {SCOPES[-1]}"
            raise UsageError(f"--scope {scope!r} is unknown: {hint}")
        self.scope = scope
        self.depth = depth
        self.chain = chain
        self._include = _patterns("--include", include)
        self._exclude = _patterns("--exclude", exclude)
        self._alike = Alike(alike) if alike else None
        self._sites: set[str] = set()  # name[:port], or with "path" name[:port]/directory/
        self._ends: tuple[str, ...] = ()  # the same for str.startswith, or as .name[:port] for str.endswith
        for start in starts:
            self.admit(start)

    def admit(self, href: str) -> None:
        """A start URL was redirected there: its host (with "path" its directory) is inside from now on."""
        start = 8 if href.startswith("https") else 7
        if self.scope == "path":
            site = href[start:].partition("?")[0].rpartition("/")[0] + "/"
        else:
            site = href[start : href.find("/", start)]
        self._sites.add(site)
        self._ends = tuple(self._sites if self.scope == "path" else ("." + one for one in self._sites))

    def is_inside(self, href: str) -> bool:
        """Whether this is the site that was asked for: http and https on their own ports are the same."""
        if self.scope == "any":
            return True
        start = 8 if href.startswith("https") else 7
        if self.scope == "path":
            return href.startswith(self._ends, start)
        site = href[start : href.find("/", start)]
        return site in self._sites or (self.scope == "subdomains" and site.endswith(self._ends))

    def refuse(self, href: str, depth: int, shapes: Mapping[str, int]) -> str:
        """Why this URL is not followed, one of `REASONS`, or "". It only looks: see `accept`.

        `shapes`: how often each shape stands among the pages that led there, one after the other.
        """
        if not self.is_inside(href):
            return "scope"
        if self._exclude and any(one.search(href) for one in self._exclude):
            return "excluded"
        if self._include and not any(one.search(href) for one in self._include):
            return "excluded"
        if is_long(href):
            return "trap-long"
        if is_repeating(href):
            return "trap-repeat"
        if self.chain and shapes and self._is_chained(href, shapes):
            return "trap-chain"
        if self._alike and self._alike.is_full(key(href)):
            return "trap-alike"
        return "depth" if self.depth is not None and depth > self.depth else ""

    def excludes(self, href: str) -> bool:
        """Whether one of the excluded patterns is found in it: that holds for what a page needs, too."""
        return any(one.search(href) for one in self._exclude)

    def accept(self, href: str) -> None:
        """Count this URL: it is going to be asked. To be called once for each, start URLs too."""
        if self._alike:
            self._alike.add(key(href))

    def _is_chained(self, href: str, shapes: Mapping[str, int]) -> bool:
        form = shape(href)
        return form != href and shapes.get(form, 0) >= self.chain


def _patterns(option: str, texts: Sequence[str]) -> list[re.Pattern[str]]:
    found = []
    for text in texts:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", FutureWarning)  # [[:alpha:]] does not mean what it says
                found.append(re.compile(text))
        except (re.error, FutureWarning, OverflowError, RecursionError) as error:
            cure = r"write .* for any text, and \ before a character that means itself"
            raise UsageError(f"{option} {text!r} is no regular expression ({error}): {cure}") from error
    return found
