"""Areas and thresholds of the settings, and the agency's scales."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.errors import ConfigurationError
from broadcasts.jma import JmaSettings, levels
from broadcasts.jma.telegram import Area

CITY = "気象・地震・火山情報／市町村等"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"intensity": "8"}, "intensity"),
        ({"tsunami": "huge"}, "tsunami"),
        ({"warning": "大警報"}, "warning"),
        ({"flood": 6}, "flood"),
        ({"hold": timedelta(minutes=-1)}, "hold"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"jma.{named}"):
        JmaSettings(**wrong)


@pytest.mark.parametrize(
    ("ours", "area", "concerned"),
    [
        ({"2210000"}, Area("静岡市", "2210000", CITY), True),
        ({"22100"}, Area("静岡市", "2210000", CITY), True),
        ({"22100"}, Area("静岡市南部", "2210001", CITY), True),
        ({"22100"}, Area("浜松市", "2213000", CITY), False),
        ({"静岡市"}, Area("静岡市", "2210000", CITY), True),
        ({"東京都23区"}, Area("東京都２３区", "350", "地震情報／細分区域"), True),
        ({"quake:350"}, Area("東京都２３区", "350", "地震情報／細分区域"), True),
        ({"tsunami:350"}, Area("東京都２３区", "350", "地震情報／細分区域"), False),
        ({"静岡"}, Area("静岡市", "2210000", CITY), False),
        ({" "}, Area("静岡市", "2210000", CITY), True),
        (set(), Area("静岡市", "2210000", CITY), True),
        ({"静岡市"}, Area("", "", ""), False),
    ],
)
def test_an_area_is_ours_by_code_or_name(ours: set[str], area: Area, concerned: bool) -> None:
    assert JmaSettings(areas=ours).concerns(area) is concerned


def test_intensities_rank_however_they_are_written() -> None:
    written = ["震度１", "2", "３", "震度4", "５弱", "5+", "震度６弱", "６＋", "7"]
    assert [levels.intensity(text) for text in written] == list(range(1, 10))
    assert levels.intensity("震度５弱以上未入電") == 5
    assert levels.intensity("不明") is None


def test_tsunami_classes_rank_by_code_or_name() -> None:
    assert [levels.tsunami("", code) for code in ("00", "71", "62", "51", "52", "53", "50", "60")] == [
        *(0, 1, 2, 3, 4, 4, 0, 0)
    ]
    names = ("津波なし", "津波予報（若干の海面変動）", "津波注意報", "津波警報", "大津波警報：発表", "津波警報解除")
    assert [levels.tsunami(name, "") for name in names] == [0, 1, 2, 3, 4, 0]
    assert levels.tsunami("津波情報", "") is None


def test_warnings_rank_by_name_or_code() -> None:
    names = ("解除", "大雨注意報", "洪水警報", "レベル４大雨危険警報", "大雨特別警報")
    assert [levels.warning(name) for name in names] == [0, 2, 3, 4, 5]
    assert [levels.warning("", code) for code in ("00", "03", "10", "33", "43")] == [0, 3, 2, 5, 4]
    assert levels.warning("注意", "30") is None
    assert levels.warning("注意", "x") is None


def test_floods_rank_by_code_or_name() -> None:
    assert [levels.flood("", code) for code in ("10", "20", "22", "31", "40", "53")] == [0, 2, 2, 3, 4, 5]
    names = ("レベル２氾濫注意報解除", "レベル２氾濫注意報（警報解除）", "氾濫警戒情報", "氾濫危険情報", "氾濫発生情報")
    assert [levels.flood(name, "") for name in names] == [0, 2, 3, 4, 5]
    assert levels.flood("水位情報", "") is None
