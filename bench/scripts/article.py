"""requests in threads, as the well-known article has it: a connection for each URL, results as completed."""

from __future__ import annotations

import concurrent.futures
import sys
from pathlib import Path

import requests

from bench.scripts.genuine import check


def load_url(url: str) -> bytes:
    return requests.get(url, timeout=60).content


check()
urls = Path(sys.argv[1]).read_text().split()
with concurrent.futures.ThreadPoolExecutor(max_workers=int(sys.argv[2])) as pool:
    asked = {pool.submit(load_url, url): url for url in urls}
    for done in concurrent.futures.as_completed(asked):
        print(f"{asked[done]} {len(done.result())}")
