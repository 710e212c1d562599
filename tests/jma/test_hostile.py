"""Hostile telegrams take no longer than their length deserves, and end in a sentence."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable

import pytest

from bot.texts import Texts
from broadcasts.jma import JmaSettings, Memory, compose, decide, read
from tests.jma.telegrams import flood, item, landslide, shindo, tsunami, warning

SHAPES: dict[str, Callable[[int], bytes]] = {
    "a title of warnings": lambda n: warning(item("静岡市", "2210000"), head_title="警報・" * n),
    "a title of marks": lambda n: warning(item("静岡市", "2210000"), head_title="か" + "\u0301\u0323" * n),
    "a control title": lambda n: warning(item("静岡市", "2210000"), form="（" * n),
    "a headline of marks": lambda n: warning(item("静岡市", "2210000"), headline="か" + "\u0301\u0323" * n),
    "a kind of brackets": lambda n: warning(item("静岡市", "2210000", ("（" * n + "大雨警報", "03", "発表"))),
    "an event": lambda n: landslide(item("静岡市", "2210000", ("警戒", "3", "発表")), event_id="9 " * n),
    "blanks before a number": lambda n: shindo("5-", serial=" " * n + "x"),
    "a kind of levels": lambda n: flood("レベル" * n, "x"),
    "many rivers": lambda n: flood(river="川" * n),
    "a declaration": lambda n: b"<?xml" + b" encoding" * n + tsunami(),
    "blanks alone": lambda n: b" " * n,
}


def _seconds(data: bytes) -> float:
    texts, settings = Texts("broadcasts.jma", language="ja"), JmaSettings(warning="注意報")
    start = time.process_time()
    decision = decide(read(data), settings, Memory())
    if decision.action in ("draft", "amend"):
        compose(decision, texts)
    return time.process_time() - start


@pytest.mark.parametrize("shape", SHAPES)
def test_time_grows_no_faster_than_the_telegram(shape: str) -> None:
    make = SHAPES[shape]
    small, large = (min(_seconds(make(size)) for _ in range(3)) for size in (5_000, 40_000))
    # Eight times as long: eight times the time, with room for a slow machine; squared it would be 64 times.
    assert large < 24 * small + 0.1


def test_a_tiny_file_with_an_endless_title_is_told_in_a_moment() -> None:
    data = gzip.compress(warning(item("静岡市", "2210000"), head_title="大雨" * 12_500))
    assert len(data) < 1_500
    assert _seconds(data) < 0.5
