"""Telegram by telegram: what is done with each, in the order in which they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.texts import Texts
from broadcasts.jma import JmaSettings, compose, describe, levels
from broadcasts.jma.telegram import Telegram
from tests.jma.play import (
    ADVISORY,
    CITY,
    EARLIER,
    LANDSLIDE,
    LANDSLIDE_OVER,
    LATER,
    LIFTED,
    MAJOR,
    NEXT_YEAR,
    NOTHING,
    RAIN2,
    RAIN3,
    RAIN4,
    RAIN5,
    RELEASE,
    SHIZUOKA,
    TSUNAMI_OVER,
    WARNING,
    play,
)
from tests.jma.telegrams import (
    PREFECTURE,
    coast,
    flood,
    item,
    landslide,
    report,
    shindo,
    shingen,
    shingen_shindo,
    tsunami,
    warning,
)

CASES: list[tuple[str, JmaSettings, Sequence[bytes], Sequence[str]]] = [
    # --- earthquakes
    ("a strong earthquake makes a draft", SHIZUOKA, [shindo("6-")], ["draft:reached"]),
    ("exactly the threshold makes a draft", SHIZUOKA, [shindo("5-")], ["draft:reached"]),
    ("one rank below the threshold does not", SHIZUOKA, [shindo("4")], ["ignore:below"]),
    (
        "a lower threshold in the settings is used",
        replace(SHIZUOKA, intensity="４"),
        [shindo("4"), shindo("3", event_id="2")],
        ["draft:reached", "ignore:below"],
    ),
    ("an earthquake elsewhere is none of ours", CITY, [shindo("7", ("熊本県熊本", "741"))], ["ignore:elsewhere"]),
    ("a prefecture counts by its name", JmaSettings(areas={"静岡県"}), [shindo("5+")], ["draft:reached"]),
    ("a prefecture counts by its code", JmaSettings(areas={"22"}), [shindo("5+")], ["draft:reached"]),
    ("a municipality counts by five figures", JmaSettings(areas={"22100"}), [shingen_shindo()], ["draft:reached"]),
    (
        "a value that has not come in counts as 5 lower",
        CITY,
        [shingen_shindo("4", [("静岡市", "2210000", "震度５弱以上未入電")])],
        ["draft:reached"],
    ),
    ("the source alone makes no draft", SHIZUOKA, [shingen()], ["ignore:no_areas"]),
    (
        "speed report, source and full report are one event",
        SHIZUOKA,
        [shindo("5-"), shingen(**LATER), shingen_shindo("5-", **LATER)],
        ["draft:reached", "amend:supplement", "amend:worse"],
    ),
    (
        "a later serial amends",
        CITY,
        [shingen_shindo(serial=1), shingen_shindo(serial=2)],
        ["draft:reached", "amend:later"],
    ),
    (
        "serials in full-width figures count",
        CITY,
        [shingen_shindo(serial="１"), shingen_shindo(serial="２"), shingen_shindo(serial="１", headline="古い。")],
        ["draft:reached", "amend:later", "ignore:older"],
    ),
    (
        "an older serial is ignored",
        CITY,
        [shingen_shindo(serial=3), shingen_shindo(serial=2, **LATER)],
        ["draft:reached", "ignore:older"],
    ),
    (
        "an equal serial is ignored",
        CITY,
        [shingen_shindo(serial=3), shingen_shindo(serial=3, headline="別の文。")],
        ["draft:reached", "ignore:older"],
    ),
    (
        "the same telegram twice is ignored",
        CITY,
        [shingen_shindo(), shingen_shindo()],
        ["draft:reached", "ignore:repeated"],
    ),
    (
        "without serials the later report amends",
        SHIZUOKA,
        [shindo("5-"), shindo("6-", **LATER)],
        ["draft:reached", "amend:worse"],
    ),
    (
        "without serials the later transmission within a minute amends",
        SHIZUOKA,
        [shindo("5-"), shindo("5+", sent="2026-11-23T05:03:40Z")],
        ["draft:reached", "amend:worse"],
    ),
    (
        "without serials the earlier report is ignored",
        SHIZUOKA,
        [shindo("5-"), shindo("6-", **EARLIER)],
        ["draft:reached", "ignore:older"],
    ),
    (
        "a speed report that comes after the full report is late",
        SHIZUOKA,
        [shingen_shindo("6-", **LATER), shindo("5-"), shingen()],
        ["draft:reached", "ignore:older", "ignore:older"],
    ),
    (
        "a serial of 0 is as good as blank",
        SHIZUOKA,
        [shindo("5-", serial=0), shindo("6-", serial=0, **LATER)],
        ["draft:reached", "amend:worse"],
    ),
    (
        "an earthquake below the threshold grows into a draft",
        SHIZUOKA,
        [shindo("4"), shindo("5-", **LATER)],
        ["ignore:below", "draft:reached"],
    ),
    (
        "a correction amends, with the same serial too",
        CITY,
        [shingen_shindo(), shingen_shindo(info_type="訂正", headline="訂正します。")],
        ["draft:reached", "amend:corrected"],
    ),
    (
        "a correction that came before its time is ignored",
        CITY,
        [shingen_shindo(serial=4), shingen_shindo(serial=3, info_type="訂正")],
        ["draft:reached", "ignore:older"],
    ),
    (
        "a correction of something never seen makes a draft",
        CITY,
        [shingen_shindo(info_type="訂正")],
        ["draft:corrected_unseen"],
    ),
    (
        "a correction to less than the threshold withdraws",
        SHIZUOKA,
        [shindo("5-"), shindo("4", info_type="訂正")],
        ["draft:reached", "withdraw:corrected_away"],
    ),
    (
        "a cancellation withdraws",
        SHIZUOKA,
        [shindo("5-"), shindo(info_type="取消", body="<Text>取り消します。</Text>", **LATER)],
        ["draft:reached", "withdraw:cancelled"],
    ),
    (
        "a cancellation without a body withdraws",
        SHIZUOKA,
        [shindo("5-"), shindo(info_type="取消", body=None)],
        ["draft:reached", "withdraw:cancelled"],
    ),
    (
        "a cancellation of something never seen withdraws nothing, and its late original stays out",
        SHIZUOKA,
        [shindo(info_type="取消", body=None), shindo("6-", **EARLIER)],
        ["withdraw:cancelled_unseen", "ignore:older"],
    ),
    (
        "cancelling the source leaves what is known of the shaking",
        SHIZUOKA,
        [shindo("5-"), shingen(), shingen(info_type="取消", body=None, **LATER)],
        ["draft:reached", "amend:supplement", "amend:cancelled_part"],
    ),
    (
        "cancelling the full report leaves the speed report",
        SHIZUOKA,
        [shindo("5-"), shingen_shindo("6-"), shingen_shindo(info_type="取消", body=None)],
        ["draft:reached", "amend:worse", "amend:cancelled_part"],
    ),
    (
        "cancelling what the draft never used changes nothing",
        SHIZUOKA,
        [shindo("5-"), shingen(info_type="取消", body=None)],
        ["draft:reached", "ignore:cancelled_other"],
    ),
    (
        "an event that was cancelled can come again",
        SHIZUOKA,
        [shindo("5-"), shindo(info_type="取消", body=None), shindo("5+", **LATER)],
        ["draft:reached", "withdraw:cancelled", "draft:reached"],
    ),
    # --- drills and tests
    ("a drill makes a drill's draft", SHIZUOKA, [shindo("6-", status="訓練")], ["draft:reached"]),
    ("a test is dropped", SHIZUOKA, [shindo("7", status="試験")], ["drop:test"]),
    ("a broken test is dropped too", SHIZUOKA, [report("竜巻注意情報", status="試験")], ["drop:test"]),
    (
        "a drill's cancellation leaves the real event alone",
        SHIZUOKA,
        [shindo("5-"), shindo(status="訓練", info_type="取消", body=None), shindo("5+", **LATER)],
        ["draft:reached", "withdraw:cancelled_unseen", "amend:worse"],
    ),
    # --- tsunami
    ("a tsunami advisory makes a draft", SHIZUOKA, [tsunami(ADVISORY)], ["draft:reached"]),
    (
        "a tsunami advisory does not if only warnings are wanted",
        replace(SHIZUOKA, tsunami="warning"),
        [tsunami(ADVISORY)],
        ["ignore:below"],
    ),
    (
        "a slight change of the sea is below an advisory",
        SHIZUOKA,
        [tsunami(coast("静岡県", "380", "津波予報（若干の海面変動）", "71"))],
        ["ignore:below"],
    ),
    (
        "a tsunami grows from advisory to major warning",
        SHIZUOKA,
        [tsunami(ADVISORY), tsunami(WARNING, **LATER), tsunami(MAJOR, reported="2026-11-23T14:20:00+09:00")],
        ["draft:reached", "amend:worse", "amend:worse"],
    ),
    (
        "a tsunami that is lifted withdraws a draft nobody was told of",
        SHIZUOKA,
        [tsunami(ADVISORY), tsunami(TSUNAMI_OVER, **LATER)],
        ["draft:reached", "withdraw:lifted"],
    ),
    (
        "a tsunami that is lifted gives an all-clear once people were told",
        SHIZUOKA,
        [tsunami(ADVISORY), RELEASE, tsunami(TSUNAMI_OVER, **LATER)],
        ["draft:reached", "amend:lifted"],
    ),
    ("a lifted tsunami that nobody was told of is no news", SHIZUOKA, [tsunami(TSUNAMI_OVER)], ["ignore:calm"]),
    (
        "arrival times and measurements amend the warning",
        SHIZUOKA,
        [
            tsunami(WARNING),
            tsunami(
                coast("静岡県", "380", "津波警報", "51", "2026-11-23T14:30:00+09:00", "３ｍ"),
                title="津波情報a",
                serial=1,
            ),
            tsunami(title="沖合の津波観測に関する情報", serial=1, more="<Observation/>"),
        ],
        ["draft:reached", "amend:later", "amend:supplement"],
    ),
    (
        "arrival times make a draft if the warning was missed",
        SHIZUOKA,
        [tsunami(WARNING, title="津波情報a")],
        ["draft:reached"],
    ),
    ("earthquake and tsunami regions share codes", SHIZUOKA, [shindo("7", ("別の地域", "380"))], ["draft:reached"]),
    (
        "a code tied to tsunami is no earthquake region",
        JmaSettings(areas={"tsunami:442"}),
        [shindo("7"), tsunami(coast("某所", "442", "津波警報", "51"))],
        ["ignore:elsewhere", "draft:reached"],
    ),
    # --- weather warnings
    ("a warning makes a draft", CITY, [warning(RAIN3)], ["draft:reached"]),
    ("an advisory is below a warning", CITY, [warning(RAIN2)], ["ignore:below"]),
    ("an advisory makes a draft if wanted", replace(CITY, warning="注意報"), [warning(RAIN2)], ["draft:reached"]),
    (
        "only emergency warnings, if the settings say so",
        replace(CITY, warning="特別警報"),
        [warning(RAIN4), warning(RAIN5, **LATER)],
        ["ignore:below", "draft:reached"],
    ),
    (
        "a danger warning of the reform stands between warning and emergency warning",
        CITY,
        [warning(RAIN3), warning(RAIN4, **LATER), warning(RAIN5, reported="2026-11-23T15:00:00+09:00")],
        ["draft:reached", "amend:worse", "amend:worse"],
    ),
    (
        "a repeated situation is no news",
        CITY,
        [warning(RAIN3), warning(RAIN3.replace("発表", "継続"), **LATER)],
        ["draft:reached", "ignore:unchanged"],
    ),
    (
        "a headline that differs in the width of its figures is no news",
        CITY,
        [warning(RAIN3, headline="２３日朝まで警戒。"), warning(RAIN3, headline="23日朝まで警戒。", **LATER)],
        ["draft:reached", "ignore:unchanged"],
    ),
    (
        "a headline that says something else is news",
        CITY,
        [warning(RAIN3, headline="２３日朝まで警戒。"), warning(RAIN3, headline="２３日夕方まで警戒。", **LATER)],
        ["draft:reached", "amend:later"],
    ),
    (
        "a lifted warning withdraws",
        CITY,
        [warning(RAIN3), warning(LIFTED, **LATER)],
        ["draft:reached", "withdraw:lifted"],
    ),
    (
        "a warning that has become an advisory is said to go on, and the next one is new",
        CITY,
        [warning(RAIN3), RELEASE, warning(RAIN2, **LATER), warning(RAIN3, reported="2026-11-23T20:00:00+09:00")],
        ["draft:reached", "amend:weakened", "draft:reached"],
    ),
    (
        "the city's own word goes before its prefecture's",
        SHIZUOKA,
        [
            warning(
                NOTHING,
                more=f'<Warning type="{PREFECTURE}">'
                + item("静岡県", "220000", ("レベル４大雨危険警報", "43", "発表"))
                + "</Warning>",
            ),
        ],
        ["ignore:calm"],
    ),
    (
        "each form of the reform is its own event",
        CITY,
        [
            warning(RAIN3),
            warning(item("静岡市", "2210000", ("レベル４土砂災害危険警報", "49", "発表")), form="（Ｒ０６）（土砂）"),
            warning(item("静岡市", "2210000", ("暴風特別警報", "35", "発表")), form="（Ｒ０６）（暴風）"),
            warning(item("静岡市", "2210000", ("波浪警報", "07", "発表")), form="（Ｒ０６）（波浪）"),
            warning(item("静岡市", "2210000", ("大雪警報", "06", "発表")), form="（Ｒ０６）（大雪）"),
            warning(item("静岡市", "2210000", ("雷注意報", "14", "発表")), form="（Ｒ０６）（その他注警報）"),
        ],
        ["draft:reached"] * 5 + ["ignore:below"],
    ),
    (
        "gale becomes storm, which is the same phenomenon",
        replace(CITY, warning="注意報"),
        [
            warning(item("静岡市", "2210000", ("強風注意報", "15", "発表")), form="（Ｒ０６）（暴風）"),
            warning(item("静岡市", "2210000", ("暴風警報", "05", "発表")), form="（Ｒ０６）（暴風）", **LATER),
        ],
        ["draft:reached", "amend:worse"],
    ),
    (
        "the two old forms say the same",
        CITY,
        [
            warning(item("静岡市", "2210000", ("大雨警報", "03", "発表")), form="（Ｈ２７）"),
            warning(item("静岡市", "2210000", ("大雨警報", "03", "発表")), form="VPWW53"),
        ],
        ["draft:reached", "ignore:unchanged"],
    ),
    (
        "kinds that are not wanted are left",
        replace(CITY, without={"VPWW54"}),
        [warning(RAIN3, form="（Ｈ２７）")],
        ["ignore:unwanted"],
    ),
    (
        "a correction without an EventID finds its warning",
        CITY,
        [warning(RAIN3), warning(RAIN4, info_type="訂正")],
        ["draft:reached", "amend:corrected"],
    ),
    (
        "a cancellation without an EventID finds its warning",
        CITY,
        [warning(RAIN3), warning(info_type="取消", body="<Notice>取り消します。</Notice>", **LATER)],
        ["draft:reached", "withdraw:cancelled"],
    ),
    (
        "another office's warning is another event",
        JmaSettings(),
        [warning(RAIN3), warning(info_type="取消", body=None, office="甲府地方気象台")],
        ["draft:reached", "withdraw:cancelled_unseen"],
    ),
    (
        "the forecast by the hour is no warning",
        CITY,
        [report("気象警報・注意報時系列情報（Ｒ０６）")],
        ["ignore:no_areas"],
    ),
    (
        "a warning without names is read by its code",
        CITY,
        [warning(item("静岡市", "2210000", ("大雨", "43", "発表")))],
        ["draft:reached"],
    ),
    (
        "an item without a place, or of an unknown kind, is passed over",
        CITY,
        [warning(item("", "", ("大雨警報", "03", "発表")), item("静岡市", "2210000", ("お知らせ", "99", "発表")))],
        ["ignore:no_areas"],
    ),
    (
        "the source said again is no news",
        SHIZUOKA,
        [shindo("5-"), shingen(), shingen(**LATER)],
        ["draft:reached", "amend:supplement", "ignore:unchanged"],
    ),
    # --- landslides and rivers
    (
        "a landslide alert under the reform's name ranks by that name",
        replace(CITY, warning="危険警報"),
        [landslide(item("静岡市", "2210000", ("レベル４土砂災害危険警報", "", "発表")))],
        ["draft:reached"],
    ),
    (
        "a landslide item without a place, or of an unknown kind, is passed over",
        CITY,
        [landslide(item("", "", ("警戒", "3", "発表")), item("静岡市", "2210000", ("参考", "9", "発表")))],
        ["ignore:no_areas"],
    ),
    (
        "a river without a level or a name is passed over",
        SHIZUOKA,
        [flood("水位情報", "99"), flood(river="", body="", event_id="2")],
        ["ignore:no_areas", "draft:reached"],
    ),
    (
        "a landslide alert ranks as level 4",
        replace(CITY, warning="危険警報"),
        [landslide(LANDSLIDE)],
        ["draft:reached"],
    ),
    (
        "a landslide alert is lifted",
        CITY,
        [landslide(LANDSLIDE), landslide(LANDSLIDE_OVER, serial=2, **LATER)],
        ["draft:reached", "withdraw:lifted"],
    ),
    (
        "the next year's landslide begins again at serial 1",
        CITY,
        [landslide(LANDSLIDE, serial=4), landslide(LANDSLIDE, **NEXT_YEAR)],
        ["draft:reached", "draft:reached"],
    ),
    ("a flood warning makes a draft", SHIZUOKA, [flood()], ["draft:reached"]),
    ("a flood advisory is below the threshold", SHIZUOKA, [flood("氾濫注意情報", "20")], ["ignore:below"]),
    (
        "the names of the reform are read",
        SHIZUOKA,
        [flood("レベル３氾濫警報", "31"), flood("レベル５氾濫特別警報", "51", serial=2, **LATER)],
        ["draft:reached", "amend:worse"],
    ),
    (
        "an all-clear of a river ends the event, and the next begins at serial 1",
        SHIZUOKA,
        [flood(), RELEASE, flood("氾濫注意情報解除", "10", serial=2, **LATER), flood(serial=1, **NEXT_YEAR)],
        ["draft:reached", "amend:lifted", "draft:reached"],
    ),
    ("a city that the river would flood is concerned", CITY, [flood(city=("静岡市", "2210000"))], ["draft:reached"]),
    (
        "another river of the prefecture is none of the city's",
        SHIZUOKA,
        [flood(river="狩野川", city=("沼津市", "2220300"))],
        ["ignore:elsewhere"],
    ),
    (
        "any river is the prefecture's",
        JmaSettings(areas={"静岡県"}),
        [flood(river="狩野川", city=("沼津市", "2220300"))],
        ["draft:reached"],
    ),
    # --- what cannot be read
    ("a kind that is not read is reported", SHIZUOKA, [report("竜巻注意情報")], ["unreadable:unknown_kind"]),
    ("an unknown status is reported", SHIZUOKA, [shindo(status="本番")], ["unreadable:status"]),
    ("an unknown type of information is reported", SHIZUOKA, [shindo(info_type="遅延")], ["unreadable:info_type"]),
    ("a report without a time is reported", SHIZUOKA, [shindo(reported="きのう")], ["unreadable:report_time"]),
    (
        "a time outside the calendar is reported",
        SHIZUOKA,
        [shindo(reported="0001-01-01T00:00:00+09:00")],
        ["unreadable:report_time"],
    ),
    ("a name without end is reported", SHIZUOKA, [shindo(event_id="9" * 1000)], ["unreadable:too_long"]),
    ("a report without a body is reported", SHIZUOKA, [shindo(body=None)], ["unreadable:no_body"]),
]


@pytest.mark.parametrize(("settings", "telegrams", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_each_telegram_is_decided_on(
    settings: JmaSettings, telegrams: Sequence[bytes], expected: Sequence[str]
) -> None:
    decisions = play(settings, *telegrams)
    assert [f"{decision.action}:{decision.reason.key}" for decision in decisions] == list(expected)


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(("settings", "telegrams"), [case[1:3] for case in CASES], ids=[case[0] for case in CASES])
def test_every_decision_can_be_put_into_words(settings: JmaSettings, telegrams: Sequence[bytes], language: str) -> None:
    texts = Texts("broadcasts.jma", language="ja" if language == "ja" else "en")
    for decision in play(settings, *telegrams):
        assert describe(decision, texts)["reason"]
        if decision.action in ("draft", "amend") or (decision.action == "withdraw" and decision.told):
            assert compose(decision, texts).count("\n") >= 5


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12))
def test_in_whatever_order_reports_come_the_latest_serial_stands(serials: list[int]) -> None:
    values = ["5-", "6-", "5+", "6+", "7", "5-"]
    reports = [shingen_shindo(values[serial - 1], serial=serial, cities=()) for serial in serials]
    decisions = play(SHIZUOKA, *reports)
    told = [decision.source for decision in decisions if decision.action in ("draft", "amend")]
    order = [telegram.serial for telegram in told if isinstance(telegram, Telegram)]
    assert order == sorted(set(order), key=lambda serial: serial or 0)
    assert order[-1] == max(serials)
    assert (
        decisions[-1].memory.findings[0].label
        == levels.INTENSITY_LABELS[(levels.intensity(values[max(serials) - 1]) or 0) - 1]
    )
