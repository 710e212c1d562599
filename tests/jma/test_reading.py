"""Bytes of any kind are read or refused with a sentence; nothing raises."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.texts import Texts
from broadcasts.jma import JmaSettings, Memory, Telegram, Unreadable, compose, decide, describe, read
from broadcasts.jma.reading import KINDS
from broadcasts.jma.tree import SIZE_LIMIT
from tests.jma.play import RAIN4, WARNING
from tests.jma.telegrams import flood, landslide, shindo, shingen, shingen_shindo, tsunami, warning

SAMPLES = Path(__file__).parents[3] / "shared" / "reference" / "jma"
"""The agency's own samples, read where they lie beside the project. 出典：気象庁"""

MADE = (
    shindo("6-"),
    shingen(),
    shingen_shindo(),
    tsunami(WARNING),
    warning(RAIN4),
    landslide(),
    flood(city=("静岡市", "2210000")),
    shindo(info_type="取消", body="<Text>取り消します。</Text>"),
)
TEXTS = Texts("broadcasts.jma")


def handle(data: bytes) -> Telegram | Unreadable:
    """Everything that is done with a telegram before the database."""
    telegram = read(data)
    decision = decide(telegram, JmaSettings(), Memory())
    assert describe(decision, TEXTS)["reason"]
    if decision.action == "draft":
        assert compose(decision, TEXTS)
        telling = decision.memory.released().sent()
        assert telling.told == decision.findings
    return telegram


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "Shift_JIS"])
def test_a_telegram_is_read_in_the_encoding_that_it_declares(encoding: str) -> None:
    telegram = handle(shindo("6-", encoding=encoding, headline="静岡県で強い揺れ①髙"))
    assert isinstance(telegram, Telegram)
    assert telegram.headline == "静岡県で強い揺れ①髙"
    assert telegram.content.findings[1].area.name == "静岡県中部"


def test_a_telegram_with_a_byte_order_mark_is_read() -> None:
    assert isinstance(handle(b"\xef\xbb\xbf" + shindo()), Telegram)


def test_a_compressed_telegram_is_read() -> None:
    assert isinstance(handle(gzip.compress(shindo())), Telegram)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\x00\x01\x02", "not_xml"),
        ("これは電文ではありません".encode(), "not_xml"),
        (shindo()[:-40], "not_xml"),
        (b"<html/>", "not_a_telegram"),
        (b'<Report xmlns="http://example.org/"><Control/><Head/></Report>', "not_a_telegram"),
        (b'<Report xmlns="http://xml.kishou.go.jp/jmaxml1/"/>', "not_a_telegram"),
        (b'<?xml version="1.0" encoding="klingon"?><Report/>', "encoding"),
        (b'<?xml version="1.0" encoding="Shift_JIS"?><a>\x81</a>', "encoding"),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>', "forbidden"),
        (b'<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>', "forbidden"),
        (b"a" * (SIZE_LIMIT + 1), "too_large"),
        (gzip.compress(b" " * (SIZE_LIMIT + 1)), "too_large"),
        (gzip.compress(shindo())[:-9], "gzip"),
        (b"\x1f\x8bnonsense", "gzip"),
    ],
)
def test_what_is_no_telegram_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    telegram = handle(data)
    assert isinstance(telegram, Unreadable)
    assert telegram.reason.key == reason


def test_entities_that_grow_are_never_expanded() -> None:
    lines = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x0 "ha">{lines}]><Report>&x11;</Report>'
    telegram = handle(bomb.encode())
    assert isinstance(telegram, Unreadable)
    assert telegram.reason.key == "forbidden"


def test_a_tree_of_a_hundred_thousand_levels_is_refused_quietly() -> None:
    telegram = handle(b"<a>" * 100_000 + b"</a>" * 100_000)
    assert isinstance(telegram, Unreadable)


def test_every_kind_has_its_reader() -> None:
    expected = "VXSE51 VXSE52 VXSE53 VTSE41 VTSE51 VTSE52 VXWW50 VXKOii VPWP50 " + " ".join(
        f"VPWW{number}" for number in range(53, 62)
    )
    assert {kind.code for kind in KINDS.values()} == set(expected.split())


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise(data: bytes) -> None:
    handle(data)


@given(st.sampled_from(MADE), st.data())
@settings(max_examples=200, deadline=None)
def test_no_cut_telegram_raises(telegram: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(telegram)))
    end = data.draw(st.integers(start, len(telegram)))
    handle(telegram[:start] + telegram[end:])


TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30)


@given(st.sampled_from(MADE), st.data())
@settings(max_examples=300, deadline=None)
def test_no_telegram_with_other_words_or_fewer_elements_raises(telegram: bytes, data: st.DataObject) -> None:
    text = telegram.decode()
    for _ in range(data.draw(st.integers(1, 4))):
        elements = list(re.finditer(r"<(\w[\w:]*)[^<>]*>[^<>]*</\1>|<(\w[\w:]*)[^<>]*/>", text))
        if not elements:
            break
        chosen = data.draw(st.sampled_from(elements))
        words = data.draw(TEXT | st.sampled_from(["", "0", "７", "99999999999", "解除", "2026-11-23T99:00", "９" * 12]))
        words = words.replace("&", "").replace("<", "").replace(">", "")
        tag = chosen[1] or chosen[2]
        new = data.draw(st.sampled_from(["", f"<{tag}>{words}</{tag}>", f"<x>{words}</x>"]))
        text = text[: chosen.start()] + new + text[chosen.end() :]
    handle(text.encode())


SHOWN = {
    "15_11_01_150916_VPWW54.xml": ("VPWW54", "draft", 3),
    "15_16_02_241031_VPWW57.xml": ("VPWW57", "draft", 4),
    "15_16_03_241226_VPWW55.xml": ("VPWW55", "draft", 4),
    "16_01_01_220728_VXKOii.xml": ("VXKOii", "ignore", 2),
    "17_01_01_190529_VXWW50.xml": ("VXWW50", "draft", 4),
    "32-35_01_01_100806_VXSE51.xml": ("VXSE51", "draft", 7),
    "32-35_01_02_240613_VXSE52.xml": ("VXSE52", "ignore", 0),
    "32-35_04_04_240613_VXSE53.xml": ("VXSE53", "ignore", 4),
    "32-35_10_01_220510_VXSE51.xml": ("VXSE51", "withdraw", 0),
    "32-39_05_08_100831_VXSE53.xml": ("VXSE53", "ignore", 0),
    "32-39_05_12_100915_VXSE53.xml": ("VXSE53", "withdraw", 0),
    "32-39_13_02_250206_VTSE41.xml": ("VTSE41", "draft", 2),
}


def test_the_agencys_samples_are_read_where_they_lie_beside_the_project() -> None:
    for sample in sorted(SAMPLES.glob("*.xml")):
        telegram = handle(sample.read_bytes())
        assert isinstance(telegram, Telegram), sample.name
        worst = max((finding.level for finding in telegram.content.findings), default=0)
        action = decide(telegram, JmaSettings(), Memory()).action
        if sample.name in SHOWN:
            assert (telegram.kind, action, worst) == SHOWN[sample.name], sample.name


def test_no_cut_sample_raises() -> None:
    for sample in sorted(SAMPLES.glob("*.xml")):
        data = sample.read_bytes()
        for part in range(1, 20):
            handle(data[: len(data) * part // 20])


def test_a_report_may_say_its_time_without_a_zone() -> None:
    telegram = handle(shindo(reported="2026-11-23T14:03:00"))
    assert isinstance(telegram, Telegram)
    assert telegram.reported_at.isoformat() == "2026-11-23T14:03:00+09:00"


def test_a_title_of_another_width_is_the_same_kind() -> None:
    wide, narrow = warning(RAIN4, form="（Ｒ０６）（大雨）"), warning(RAIN4, form="(R06)(大雨)")
    kinds = [telegram.kind for telegram in (handle(wide), handle(narrow))]
    assert kinds == ["VPWW55", "VPWW55"]
