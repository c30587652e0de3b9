"""Every path of the site but the fast ones, in the order they are tried, and the list that /help shows."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from aiohttp import web

from fetcher.server import bodies, pages

BIGGEST = 64 << 20  # request bodies that /anything takes
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)  # RFC 9110 section 5.6.2
_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*", re.ASCII)  # a cookie's: RFC 6265 section 4.1.1
_HOST = re.compile(r"[0-9A-Za-z.:_\[\]-]+")
_LINE = re.compile(r"[\x20-\x7e\x80-\ud7ff\ue000-\U0010ffff]*")  # what can stand in a field, as UTF-8


async def page(request: web.Request) -> web.StreamResponse:
    """A page of the linked site, with its exact size."""
    found = pages.pages().get(request.path)
    if found is None:
        raise web.HTTPNotFound(text="There is no such page here; /help lists what there is.\n")
    return web.Response(body=found.body, headers={"Content-Type": found.type})


async def article(request: web.Request) -> web.StreamResponse:
    """An HTML page of N bytes, 100 to 10,000,000, full of links."""
    size = int(request.match_info["n"])
    if not 100 <= size <= 10_000_000:
        raise web.HTTPNotFound(text="100 to 10,000,000 bytes, please.\n")
    return web.Response(body=pages.article(size), content_type="text/html", charset="utf-8")


async def moved(_request: web.Request) -> web.StreamResponse:
    """A page that has moved: 301 to another."""
    return _redirect(pages.MOVED[1], 301)


async def robots(request: web.Request) -> web.StreamResponse:
    """Rules for robots, and where the sitemap is."""
    return web.Response(text=pages.ROBOTS.format(base=_base(request)))


async def sitemap(request: web.Request) -> web.StreamResponse:
    """The HTML pages as a sitemap."""
    base = _base(request)
    html = [path for path, found in pages.pages().items() if found.type.startswith("text/html")]
    urls = "".join(f"<url><loc>{base}{path}</loc></url>\n" for path in html if path != pages.PRIVATE)
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    return web.Response(text=f"{text}{urls}</urlset>\n", content_type="application/xml")


async def redirect(request: web.Request) -> web.StreamResponse:
    """A chain of N redirects (302) that ends at /bytes/100."""
    left = int(request.match_info["n"])
    return _redirect(f"/redirect/{left - 1}" if left > 1 else "/bytes/100", 302)


async def redirect_to(request: web.Request) -> web.StreamResponse:
    """A redirect to ?url= with ?status= (302)."""
    status = int(bodies.number(request, "status", 302))
    target = request.query.get("url", "/")
    if not 300 <= status <= 399 or not _LINE.fullmatch(target):
        raise web.HTTPBadRequest(text="?status= must be 300 to 399, ?url= without control characters.\n")
    return _redirect(target, status)


async def redirect_loop(request: web.Request) -> web.StreamResponse:
    """Two URLs that redirect to each other."""
    return _redirect("/redirect-loop" if request.path.endswith("/b") else "/redirect-loop/b", 302)


async def cookies(request: web.Request) -> web.StreamResponse:
    """The cookies that were sent, as JSON."""
    return _json({"cookies": dict(request.cookies)})


async def cookies_set(request: web.Request) -> web.StreamResponse:
    """Sets every ?name=value as a cookie, and redirects to /cookies."""
    response = _redirect("/cookies", 302)
    for name, value in request.query.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise web.HTTPBadRequest(text="That is no name or value of a cookie.\n")
        response.headers.add("Set-Cookie", f"{name}={value}; Path=/")
    return response


async def headers(request: web.Request) -> web.StreamResponse:
    """The header fields that were sent, as JSON pairs in their order, doubles included."""
    return _json({"headers": _pairs(request)})


async def anything(request: web.Request) -> web.StreamResponse:
    """Method, target, header fields and body of the request, as JSON; any method."""
    body = await request.read()
    text = body.decode("utf-8", "replace")
    about = {"body": text, "body_size": len(body), "body_sha256": hashlib.sha256(body).hexdigest()}
    return _json({"method": request.method, "target": request.raw_path, "headers": _pairs(request), **about})


async def show_help(_request: web.Request) -> web.StreamResponse:
    """Lists the paths of this site."""
    shown = [*FAST, *((path, handler.__doc__ or "") for path, _, handler in SLOW)]
    width = max(len(path) for path, _ in shown)
    return web.Response(text="".join(f"{path:{width}}  {what}\n" for path, what in shown))


FAST = (
    ("/bytes/N", "N bytes."),
    ("/delay/S", "100 bytes after S seconds, such as 0.5."),
    ("/delay/S/N", "N bytes after S seconds."),
    ("/status/N", "That status, 200 to 999; ?retry-after= adds the field."),
)
_N = r"{n:[0-9]{1,15}}"
SLOW = (
    ("/help", "/help", show_help),
    ("/redirect/N", f"/redirect/{_N}", redirect),
    ("/redirect-to", "/redirect-to", redirect_to),
    ("/redirect-loop", "/redirect-loop{b:(/b)?}", redirect_loop),
    ("/gzip/N  /deflate/N  /br/N  /zstd/N", f"/{{coding:gzip|deflate|br|zstd}}/{_N}", bodies.coding),
    ("/html/N", f"/html/{_N}", article),
    ("/chunked/N", f"/chunked/{_N}", bodies.chunked),
    ("/drip", "/drip", bodies.drip),
    ("/cookies", "/cookies", cookies),
    ("/cookies/set", "/cookies/set", cookies_set),
    ("/headers", "/headers", headers),
    ("/anything", "/anything{rest:(/.*)?}", anything),
    ("/truncated/N", f"/truncated/{_N}", bodies.truncated),
    ("/hang", "/hang", bodies.hang),
    ("/robots.txt", "/robots.txt", robots),
    ("/sitemap.xml", "/sitemap.xml", sitemap),
    (pages.MOVED[0], pages.MOVED[0], moved),
    ("/", "/{page:.*}", page),
)


def application() -> web.Application:
    """All of it; the order is the order in which paths are tried."""
    app = web.Application(client_max_size=BIGGEST)
    app.router.add_route("*", "/{kind:bytes|delay|status}/{rest:.*}", bodies.fast)
    for _, pattern, handler in SLOW:
        app.router.add_route("*", pattern, handler)
    return app


def _redirect(target: str, status: int) -> web.Response:
    return web.Response(status=status, headers={"Location": target}, text=f"See {target}\n")


def _json(value: Any) -> web.Response:
    return web.Response(text=json.dumps(value, indent=1) + "\n", content_type="application/json")


def _pairs(request: web.Request) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]


def _base(request: web.Request) -> str:
    if not _HOST.fullmatch(request.host):
        raise web.HTTPBadRequest(text="That is no Host.\n")
    return f"http://{request.host}"
