"""Exports in CP932: what has a plain form keeps it, and what was replaced is told."""

from __future__ import annotations

import pytest

from bot.office.cp932 import to_cp932


@pytest.mark.parametrize(
    ("text", "written", "replaced"),
    [
        ("辻\U000e0100さん", "辻さん", ()),
        ("か\u3099", "が", ()),
        ("10—12", "10―12", ("—",)),
        ("10〜12", "10～12", ()),
        ("−5", "－5", ()),
        ("髙﨑①㈱", "髙﨑①㈱", ()),
        ("𠮷野家 😀", "〓野家 〓", ("𠮷", "😀")),
        ("福\ufa1b", "福\ufa1b", ()),
        ("a\u200bb\u00a0c", "ab c", ("\u00a0",)),
    ],
)
def test_a_sign_that_is_missing_has_its_plain_form_or_a_mark(
    text: str, written: str, replaced: tuple[str, ...]
) -> None:
    data, missing = to_cp932(text)
    assert data.decode("cp932") == written
    assert missing == replaced
