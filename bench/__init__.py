"""Speed, measured side by side: this project and the peers that are installed, interleaved, as ratios.

How to run it

    make bench                            everything, then the budgets; about 45 minutes on two cores
    make bench ARGS="--only w1 --count 5000 --rounds 3"
    make bench ARGS="--quick"             a smoke run: whether every arm works, no figure to be quoted
    make bench ARGS="--write"             and bench/RESULTS.md anew
    make bench-check                      the same, and exit 1 where a budget is broken
    make bench-check ARGS="--from FILE"   judges what an earlier run kept with --save FILE

    python -m bench.faults crowd          a list with faults in it beside its good part; `drips`: time limits

What is not installed is named as missing and left out. The Python peers come from the Python that runs this,
or else from the one that BENCH_PYTHON names (Scrapy, in an environment of its own). The server is a local
nginx with one worker; without nginx it is the embedded site, which may itself be the limit.

How to read it

- An arm is one whole command, from its start to its end. Every round runs every arm once, in a new random
  order; a warm-up run of each comes before (but in W4), and is thrown away.
- Ours is the command with its defaults: it writes a JSON line of 22 fields for each URL to a file. curl,
  wget2 and the aiohttp scripts throw bodies away and write nothing; aria2c writes the bodies to files.
- CPU per URL is user + system time of the whole process tree, divided by the URLs; the server's is not in it.
- A figure is the median over the rounds, with least and most behind it. A ratio is taken within each round,
  so that a machine that drifts drifts for both; compare arms by ratios, and only within one table.
- After every run the server is asked how many requests it has had: an arm that has not caused exactly as
  many as it was given is refused, with the reason, and has no figure.
- A crawl is of the Python manual (Debian's python3.11-doc; without it, it is missing): ours writes its JSON
  lines, Scrapy a line of URL, status and size a page, with its own limits (16 at once, 8 per host). Both must
  list exactly the HTML pages that the files' own links lead to, with their statuses, and cause a request for
  each line and one for robots.txt. Where one does not, the crawl has no figure at all. Ours also asks for
  what it counts as a page and Scrapy does not (a <link>, a .py file): CPU is divided by the HTML pages.
- "Server" is the server's CPU time over the wall time. Its one worker cannot exceed 100 %: near it, the wall
  time is the server's and not the arm's, and the table says so. "Connections" shows who keeps them.
- Budgets (DESIGN section 5): held where the median keeps the limit; "missed, within the noise" where the
  median does not but some round does; BROKEN where not one round keeps it. Only the last fails
  `make bench-check`: were the true ratio at the limit, n rounds would all fall beyond it by chance once in
  2^n (five: 3 %). An arm of ours that was refused is broken too; a missing peer leaves its budget unjudged.
"""
