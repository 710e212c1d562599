"""Free texts: their words are counted, and the people in them masked."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surveys.words import MASK, MOST, Masker, Word, frequent, words

STAFF = ["青木 花子", "森 太郎", "ジョン スミス"]


def test_nouns_in_a_row_are_one_word_and_verbs_stand_in_their_base_form() -> None:
    assert list(words("業務チャットの既読が分かるので、利用者が使っていた。")) == [
        "業務チャット",
        "既読",
        "分かる",
        "利用者",
        "使う",
    ]


def test_words_that_say_nothing_are_left_out() -> None:
    assert list(words("これはとても良いことだと思う。3回した。あ")) == []


def test_what_is_easy_to_do_is_one_word_and_names_stand_by_themselves() -> None:
    assert list(words("見やすい。青木花子課長が便利に使えます")) == ["見やすい", "青木花子", "課長", "便利", "使える"]


def test_a_word_counts_once_a_text_and_the_most_frequent_comes_first() -> None:
    counted = frequent(["電話と電話と電話", "電話が減る", "メール", "LINE line"])
    assert counted[0] == Word("電話", 2)
    assert Word("line", 1) in counted
    assert list(counted) == sorted(counted, key=lambda word: (-word.texts, word.word))
    assert len(frequent(f"{chr(0x4E00 + number)}。" for number in range(500))) <= MOST


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("青木花子さんに聞いた", f"{MASK}さんに聞いた"),
        ("青木　花子 課長、花子、青木", f"{MASK} 課長、{MASK}、{MASK}"),
        ("森課長は森林の係", f"{MASK}課長は森林の係"),
        ("ジョン スミスに頼む", f"{MASK}に頼む"),
        ("それは田中さんへ\r\n  二行目", f"それは{MASK}さんへ\r\n  二行目"),
        ("使いやすい", "使いやすい"),
    ],
)
def test_people_of_the_directory_and_others_are_masked_and_the_rest_stays(text: str, masked: str) -> None:
    assert Masker(STAFF).mask(text) == masked


@given(st.lists(st.sampled_from([*STAFF, "青木", "花子", "電話", "が", "、", " ", "\n", "abc"]), max_size=12))
def test_no_name_of_the_directory_survives_wherever_it_stands(parts: list[str]) -> None:
    masked = Masker(STAFF).mask("".join(parts))
    assert not re.search("青木|花子|太郎|ジョン|スミス", masked)


@given(st.text(alphabet="あいう漢字ABC \n\t\u3000。、1", max_size=40))
def test_masking_nobody_changes_no_sign_of_what_janome_takes_for_no_person(text: str) -> None:
    masked = Masker().mask(text)
    assert MASK in masked or masked == text
