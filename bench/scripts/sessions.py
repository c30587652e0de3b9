"""The same with a requests.Session for each thread, so that connections are kept."""

from __future__ import annotations

import concurrent.futures
import sys
import threading
from pathlib import Path

import requests

from bench.scripts.genuine import check

local = threading.local()


def load_url(url: str) -> bytes:
    if not hasattr(local, "session"):
        local.session = requests.Session()
    found: bytes = local.session.get(url, timeout=60).content
    return found


check()
urls = Path(sys.argv[1]).read_text().split()
with concurrent.futures.ThreadPoolExecutor(max_workers=int(sys.argv[2])) as pool:
    asked = {pool.submit(load_url, url): url for url in urls}
    for done in concurrent.futures.as_completed(asked):
        print(f"{asked[done]} {len(done.result())}")
