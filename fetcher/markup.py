"""The start tags of an HTML text that can carry a link, a name or a text, read in one pass in linear time.

This is the tokenizer of the WHATWG standard (13.2.5) without the tree on top of it. Links need no tree, and
a tree can be made to cost quadratic time: Lexbor takes 100 s for 1 MB of `<div>`, and 25 s for one tag with
130,000 attributes, because the standard has it look through them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.entities import html5
from typing import Final

W: Final = r"\t\n\f\r "  # what the standard takes for white space; \s is wider

# Attributes as they are written; a quote that is never closed takes all that follows.
ATTRIBUTES: Final = rf"""(?: [{W}/]*+ [^{W}/>] [^{W}/>=]*+
    (?: [{W}]*+ = [{W}]*+ (?: "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) | [^{W}>"'][^{W}>]*+ | (?=>) ) )?+ )*+"""
ATTRIBUTE: Final = re.compile(
    rf"""([^{W}/>][^{W}/>=]*+)
    (?: [{W}]*+ = [{W}]*+ (?: "([^"]*+)" | '([^']*+)' | ([^{W}>"'][^{W}>]*+) ) )?""",
    re.VERBOSE,
)
QUIET: Final = r'(?:[ ](?!(?:href|id|name|style)=)[a-z][a-z-]*+="[^"]*+")*+'
DULL: Final = r"""(?!(?:a|img|link|meta|input|iframe|math|noembed|noframes|plaintext|script|style|svg|template
    |textarea|title|xmp)[ >]) [a-z0-9]++"""
DULLEST: Final = r'(?:[ ](?:class|title|role|width|height|colspan|rowspan|align|border)="[^"]*+")*+'

# From one tag that may matter to the next. What is between, most of a page, is left without coming back to
# Python, and most of what matters is read here: links of <a> without another attribute that counts, and ids.
TOKEN: Final = re.compile(
    rf"""
    [^<]*+ (?: < (?: /(?!template|svg|math)[a-z0-9]++ | {DULL} {DULLEST} ) > [^<]*+
             | < (?![a-zA-Z/!?]) [^<]*+ )*+
    (?: <(a) {QUIET} [ ]href="([^"&\#\x00-\x20]*+)(?:\#([A-Za-z0-9_.-]*+))?" {QUIET} >
      | < {DULL} {DULLEST} [ ]id="([^"&]++)" {DULLEST} >
      | <(/?[a-zA-Z][^{W}/>]*+)({ATTRIBUTES})([{W}/]*+)(>|\Z)
      | (?=<)
      | \Z
    )""",
    re.VERBOSE,
)
COMMENT: Final = re.compile(r"<!--(?:-?>|(?:[^-]++|-(?!-!?>))*+(?:--!?>|\Z))")
CDATA: Final = "<![CDATA["

# Elements whose content is text, whatever it looks like (13.2.6.4; scripting is off).
RAW: Final = {
    name: re.compile(f"</{''.join(f'[{one}{one.upper()}]' for one in name)}(?=[{W}/>])")
    for name in ("iframe", "noembed", "noframes", "style", "textarea", "title", "xmp")
}
RAW["script"] = re.compile(rf"<!--(?!-?>)|-->|<(/?)[sS][cC][rR][iI][pP][tT](?=[{W}/>])")
RAW["plaintext"] = re.compile(r"(?!)")  # nothing ends it
NESTED: Final = ("template", "svg", "math")
FOREIGN: Final = ("svg", "math")
CANDIDATE: Final = re.compile(rf"[{W},]*+([^{W}]++)(?:(?<=,)|(?:[^,(]++|\([^)]*+\)?+)*+)")
REFERENCE: Final = re.compile(r"&(?:#([0-9]++);?|#[xX]([0-9a-fA-F]++);?|([a-zA-Z][a-zA-Z0-9]*+;?))(=?)")

Tag = tuple[str, dict[str, str], str]
Plain = tuple[str, str | None, str]  # what stands before a "#", and after it; "a" or another word


def tags(text: str, links: dict[Plain, None], ids: dict[str, None], xml: bool = False) -> Iterator[Tag]:
    """Name, attributes and text (of `title` and `style`) of each start tag that may matter, in order.

    A tag that is written exactly as one before it is given once; what stands in a comment, in a template or
    in text is no tag. In `xml`, and in SVG, a slash at its end closes an element. Of most tags the link or
    the id is put into `links` or `ids` at the time, and they are not given.
    """
    seen: set[str] = set()
    depth = dict.fromkeys(NESTED, 0)
    at = 0
    while at < len(text):
        for match in TOKEN.finditer(text, at):
            link = match.group(2, 3, 1)
            if link[2]:
                if not depth["template"]:
                    links[link] = None  # type: ignore[index]
                continue
            anchor, name, written, slash, end = match.group(4, 5, 6, 7, 8)
            if anchor:
                if not depth["template"]:
                    ids[anchor] = None
                continue
            at = match.end()
            if name is None:
                at = _other(text, at, xml or depth["svg"] + depth["math"] > 0)
                break
            if not end:
                return  # the text ends inside this tag: it is none
            key = name + written
            name = name.lower()
            foreign = depth["svg"] + depth["math"] > 0
            closed = slash[-1:] == "/" and (xml or foreign or name in FOREIGN)
            inside = name in RAW and not closed
            if inside:
                at = _end(name, text, at)
            else:
                _nest(depth, name, closed)
            shown = name == "style" or (name == "title" and not foreign)
            if (shown or key not in seen) and name[0] != "/" and not depth["template"]:
                seen.add(key)
                yield name, attributes(written), text[match.end() : at] if shown else ""
            if inside:
                break


def _nest(depth: dict[str, int], name: str, closed: bool) -> None:
    """Count how deep in templates, SVG and MathML the text after this tag is."""
    if name in depth:
        depth[name] += not closed
    elif name[1:] in depth and name[0] == "/":
        depth[name[1:]] = max(depth[name[1:]] - 1, 0)


def _other(text: str, at: int, cdata: bool) -> int:
    """Where the comment, declaration or CDATA section ends that begins here."""
    if match := COMMENT.match(text, at):
        return match.end()
    closing = "]]>" if cdata and text.startswith(CDATA, at) else ">"
    end = text.find(closing, at)
    return end + len(closing) if end >= 0 else len(text)


def _end(name: str, text: str, at: int) -> int:
    """Where the end tag of this element begins; what is between is text."""
    if name != "script":
        match = RAW[name].search(text, at)
        return match.start() if match else len(text)
    escaped = double = False  # 13.2.5.20 and on: <script><!-- <script> </script> --> </script>
    for match in RAW[name].finditer(text, at):
        if match[1] is None:
            escaped = match[0] == "<!--"
            double = double and escaped
        elif match[1] and not double:
            return match.start()
        else:
            double = escaped and not match[1]
    return len(text)


def attributes(text: str) -> dict[str, str]:
    """The attributes by name; of two with the same name the first counts."""
    pairs = ATTRIBUTE.findall(text)
    pairs.reverse()
    if "&" in text:
        return {name.lower(): unescape(one or two or three) for name, one, two, three in pairs}
    return {name.lower(): one or two or three for name, one, two, three in pairs}


def unescape(value: str) -> str:
    """An attribute's value without character references: `&copy=` stays, which html.unescape changes."""
    return REFERENCE.sub(_character, value) if "&" in value else value


def candidates(srcset: str) -> Iterator[str]:
    """The URLs of a srcset (HTML standard, 4.8.4.2.2): they may hold commas, but not end with one."""
    for match in CANDIDATE.finditer(srcset.rstrip(", \t\n\f\r")):
        yield match[1].rstrip(",")


def _character(match: re.Match[str]) -> str:
    decimal, hexadecimal, name, after = match.groups()
    if name and after and name[-1] != ";":
        return match[0]
    if name:
        return html5.get(name, f"&{name}") + after
    # More than nine digits are no character, and int() refuses more than 4,300.
    digits = (decimal or hexadecimal).lstrip("0")[:9] or "0"
    return html.unescape(f"&#{'x' if hexadecimal else ''}{digits};") + after
