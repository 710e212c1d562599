"""Names that a reader takes for the same have one key, and names that differ have two."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.folding import fold, look, named_at_start, same, tidy, twins

SAME = [
    ("総務部\u200b", "総務部"),
    ("\ufeff総務部", "総務部"),
    ("総\u2060務\u00ad部\u200d", "総務部"),
    ("ＤＸ推進部", "dx推進部"),
    ("統括部か\u3099", "統括部が"),
    ("ガルシア", "ｶﾞﾙｼｱ"),
    ("ガルシア", "カ゛ルシア"),
    ("パート", "ﾊﾟｰﾄ"),
    ("\ufa1b祉課", "福祉課"),
    ("葛\U000e0100城支所", "葛城支所"),
    ("辻\ufe00", "辻"),
    ("福祉部　高齢福祉課", "福祉部 高齢福祉課"),
    ("福祉部 高齢福祉課", "福祉部高齢福祉課"),
    ("福祉部\u00a0高齢\u2003福祉課\t", "福祉部高齢福祉課"),
    ("佐藤（旧姓 鈴木）花子", "佐藤(旧姓鈴木)花子"),
    ("㈱水道サービス", "(株)水道サービス"),
    ("㈱水道サービス", "（株）水道サービス"),
    ("㈲緑", "（有）緑"),
    ("㍿緑", "株式会社緑"),
    ("№3ポンプ場", "No.3ポンプ場"),
    ("№3ポンプ場", "ＮＯ．３ポンプ場"),
    ("№3ポンプ場", "No3ポンプ場"),
    ("№", "No."),
    ("A‐1班", "Aー1班"),
    ("A‐1班", "A−1班"),
    ("A–1班", "A—1班"),
    ("Ａ－１班", "a-1班"),
    ("センター", "センタ―"),
    ("センター", "ｾﾝﾀｰ"),
    ("企画・広報課", "企画･広報課"),
    ("企画・広報課", "企画·広報課"),
    ("龍ヶ崎支所", "龍ケ崎支所"),
    ("第①係", "第1係"),
    ("第Ⅱ係", "第II係"),
    ("市⺠課", "市民課"),
    ("⼟木課", "土木課"),
    ("人事課へ", "人事課ヘ"),
    ("10～12班", "10〜12班"),
    ("人事/給与", "人事／給与"),
    ("İstanbul", "i̇stanbul"),
]
DIFFERENT = [
    ("センター", "センタ"),
    ("髙橋", "高橋"),
    ("第一課", "第1課"),
    ("㈱緑", "㍿緑"),
    ("総務部", "総務課"),
    ("かき課", "カキ課"),
    ("A-1", "A1"),
    ("ハハ", "パパ"),
    ("No.緑", "No緑"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_that_a_reader_takes_for_the_same_have_one_key(one: str, other: str) -> None:
    assert fold(one) == fold(other) != ""
    assert same(one, other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_words_keep_different_keys(one: str, other: str) -> None:
    assert not same(one, other)


@given(st.text())
def test_a_key_is_its_own_key_and_no_way_of_composing_changes_it(text: str) -> None:
    key = fold(text)
    assert fold(key) == key
    assert not any(letter.isspace() for letter in key)
    for form in ("NFC", "NFD"):
        assert fold(unicodedata.normalize(form, text)) == key


@given(st.text("総務部カがーｶﾞＡa・ 　\u200b\ufe00-№0(（"))
def test_a_key_does_not_change_by_what_cannot_be_seen(text: str) -> None:
    assert fold("\u200b".join(text)) == fold(text) == fold(tidy(text))


def test_what_is_stored_to_be_shown_loses_only_what_cannot_be_seen() -> None:
    assert tidy(" ＤＸ推進部\u200b　（旧姓\t鈴木） ") == "ＤＸ推進部　（旧姓 鈴木）"
    assert tidy("葛\U000e0100城\ufa1b祉ｶﾞ㈱") == "葛\U000e0100城\ufa1b祉ｶﾞ㈱"
    assert tidy("総\x00務\x1b部") == "総務部"


def test_names_that_only_look_the_same_are_told_and_not_taken_for_one() -> None:
    assert not same("工ネルギ一課", "エネルギー課")
    assert look("工ネルギ一課") == look("エネルギー課")
    assert twins(["エネルギー課", "総務課", "工ネルギー課", "総 務課"]) == [("エネルギー課", "工ネルギー課")]


def test_a_name_with_blanks_is_found_at_the_start_of_a_text_whatever_its_width() -> None:
    keys = {fold(name) for name in ("福祉部", "福祉部 高齢福祉課", "ガルシア マリア")}
    assert named_at_start("福祉部　高齢福祉課 あす開庁します", keys) == len("福祉部　高齢福祉課")
    assert named_at_start("福祉部 あす開庁します", keys) == len("福祉部")
    assert named_at_start("ｶﾞﾙｼｱ ﾏﾘｱ\u200b さん", keys) == len("ｶﾞﾙｼｱ ﾏﾘｱ\u200b")
    assert named_at_start("人事課", keys) == 0
