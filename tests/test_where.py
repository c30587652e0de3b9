"""`--where`: what an expression says of a record, and one line for every slip."""

from __future__ import annotations

import random

import pytest

from fetcher.errors import UsageError
from fetcher.where import FIELDS, parse

GOOD = {
    "row": 7,
    "url": "http://a/?x=1",
    "ok": True,
    "status": 200,
    "error": None,
    "size": 10,
    "elapsed": 0.5,
}
BUSY = GOOD | {"status": 503, "ok": False, "size": None, "engine": "asyncio", "message": "a, (b)"}
NONE = {"row": 8, "url": "http://b/", "ok": False, "status": None, "error": "dns_temporary", "size": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("status=200", "+--"),
        ("status == 200.0", "+--"),
        ("STATUS = 200", "+--"),
        ("status != 200", "-++"),
        ("status < 500", "+--"),
        ("status >= 200", "++-"),
        ("elapsed > 0.4", "++-"),
        ("status in (200, 503)", "++-"),
        ("status not in (200,503)", "--+"),
        ("status in (null)", "--+"),
        ("not status in (503)", "+-+"),
        ("size = null", "-++"),
        ("size != null", "+--"),
        ("error=null", "++-"),
        ("error = dns_temporary or status in (429,503)", "-++"),
        ("ok=true", "+--"),
        ("ok = FALSE and error = null", "-+-"),
        ("not ok=true and not error=null", "--+"),
        ("not (ok=true or error=null)", "--+"),
        ("status=200 or status=503 and size=10", "+--"),
        ("(status=200 or status=503) and size=10", "+--"),
        ("url=http://a/?x=1", "++-"),
        ('url = "http://b/"', "--+"),
        ("url > 'http://a/zzz'", "--+"),
        ("url < http://b", "++-"),
        ("message='a, (b)'", "-+-"),
        ('message="null"', "---"),
        ("engine=''", "---"),
        ("((((row=8))))", "--+"),
        ("sha256 = null", "+++"),
    ],
)
def test_what_it_says(text: str, said: str) -> None:
    where = parse(text)
    assert "".join("+" if where(record) else "-" for record in (GOOD, BUSY, NONE)) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stauts=200", "there is no field stauts: did you mean status?"),
        ("colour=200", "there is no field colour: use one of: row input url"),
        ("error=dns_temporry", "there is no error dns_temporry: did you mean dns_temporary?"),
        ("error in (reset, dns)", "there is no error dns"),
        ("status=ok", "status is a number, and ok is none"),
        ("ok=1", "ok is true or false, not 1"),
        ("ok<true", "it can be compared by = and != only"),
        ("size<null", "it can be compared by = and != only"),
        ("redirects=1", "holds more than one value"),
        ("status", "no comparison behind status: write status=VALUE"),
        ("status=", "no value for status"),
        ("status=200 and", "a condition is missing at the end"),
        ("and status=200", "a condition is missing before 'and status=200'"),
        ("", "a condition is missing at the end"),
        ("(status=200", "`)` is missing at the end"),
        ("status=200)", "')' is left over"),
        ("status in 200", "`(` is missing before '200'"),
        ("status in (200", "`)` is missing at the end"),
        ("status in ()", "no value for status"),
        ("status not 200", "write `status not in (...)`"),
        ("status=200 error=null", "'error=null' is left over: join conditions with `and` or `or`"),
        ("status=200 && error=null", "'&& error=null' is left over"),
        ("status => 200", "status is a number, and > is none"),
        ("status=200; import os", "status is a number"),
        ("__class__=1", "there is no field __class__"),
        ("(" * 500 + "row=1" + ")" * 500, "more than 50 parentheses"),
        ("not " * 5000 + "row=1", "more than 50 parentheses"),
    ],
)
def test_a_slip_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith("--where: ")
    assert said in message
    assert "\n" not in message
    assert len(message) < 400


def test_nothing_else_is_ever_raised() -> None:
    order = random.Random(5)
    parts = [
        *FIELDS,
        "and",
        "or",
        "not",
        "in",
        "(",
        ")",
        ",",
        "=",
        "!=",
        "<",
        ">=",
        "200",
        "null",
        '"x',
        "'y z'",
        "\n",
    ]
    parsed = 0
    for _ in range(20_000):
        text = order.choice(["", " "]).join(order.choices(parts, k=order.randrange(1, 9)))
        try:
            where = parse(text)
        except UsageError:
            continue
        parsed += 1
        assert {where(record) for record in (GOOD, BUSY, NONE)} <= {True, False}
    assert parsed > 20
