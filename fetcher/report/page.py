"""A template in the frame that all pages share; every text in it is escaped, and none of it hides."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent


def render(template: str, **context: Any) -> str:
    """The page as text that UTF-8 can carry."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    rooms = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return rooms.get_template(template).render(context)


def visible(text: str) -> str:
    r"""The text with what cannot be seen written out, as `\u202e`: controls, direction marks, surrogates."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() else one.encode("unicode_escape").decode() for one in text])
