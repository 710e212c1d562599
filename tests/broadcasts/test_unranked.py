"""The preview of 「以上」 names the titles whose place nobody knows."""

from __future__ import annotations

from bot.texts import Texts
from broadcasts import show
from broadcasts.preview import Preview


def test_titles_whose_place_is_not_known_are_named_before_it_is_sent() -> None:
    seen = Preview(1, "notice", "集合", 3, [("総務課", 3)], [], 3, 0, "f", unranked=[("ゆるキャラ", 2)])
    said = "\n".join(show.preview(Texts("broadcasts"), seen, 4_500))
    assert "「以上」に入りません（2人）：ゆるキャラ" in said
