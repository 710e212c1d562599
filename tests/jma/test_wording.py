"""What the officer and the command line are shown of a decision."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.texts import Texts
from broadcasts.jma import JmaSettings, compose, describe
from tests.jma.play import (
    ADVISORY,
    CITY,
    LATER,
    MAJOR,
    RAIN3,
    RAIN4,
    RELEASE,
    SHIZUOKA,
    WARNING,
    play,
)
from tests.jma.telegrams import (
    COMMENT,
    SOURCE,
    coast,
    intensity,
    item,
    report,
    shindo,
    shingen,
    tsunami,
    warning,
)


def test_the_words_for_the_command_line_stand_in_the_order_of_the_issue() -> None:
    [decision] = play(SHIZUOKA, shindo("6-", status="訓練"))
    described = describe(decision, Texts("broadcasts.jma", language="en"))
    assert described == {
        "action": "draft",
        "drill": True,
        "kind": "VXSE51",
        "event_id": "20261123140000",
        "serial": None,
        "reported_at": "2026-11-23T14:03:00+09:00",
        "headline": "お知らせします。",
        "areas": [
            {"code": "22", "name": "静岡県", "level": "震度６弱"},
            {"code": "442", "name": "静岡県中部", "level": "震度６弱"},
        ],
        "reason": "The threshold in the settings is reached (静岡県: 震度６弱)",
    }
    assert " ".join(described) == "action drill kind event_id serial reported_at headline areas reason"


def test_what_cannot_be_read_is_described_with_what_could_be_seen() -> None:
    [decision] = play(SHIZUOKA, report("竜巻注意情報", status="訓練"))
    described = describe(decision, Texts("broadcasts.jma"))
    assert described["action"] == "unreadable"
    assert described["drill"] is True
    assert described["kind"] is None
    assert described["event_id"] == "20261123140000"
    assert described["reported_at"] == "2026-11-23T14:03:00+09:00"
    assert "竜巻注意情報" in described["reason"]


def test_a_warning_without_an_event_id_is_named_by_office_time_and_hash() -> None:
    first, second = play(CITY, warning(RAIN3), warning(RAIN4, **LATER))
    name = first.source.event_id
    assert name is not None
    assert name.startswith("静岡地方気象台/2026-11-23T14:03:00+09:00/")
    assert name.endswith(first.source.digest[:12])
    assert second.source.event_id != name


def test_a_drill_says_so_in_its_first_line() -> None:
    [decision] = play(SHIZUOKA, tsunami(MAJOR, status="訓練"))
    text = compose(decision, Texts("broadcasts.jma"))
    assert text.splitlines()[0].startswith("【訓練】")
    assert "大津波警報" in text.splitlines()[1]


def test_what_is_new_stands_before_what_was_known() -> None:
    regions = intensity(("静岡県中部", "442", "5-"), ("静岡県西部", "443", "5-"))
    grown = intensity(("静岡県中部", "442", "6-"), ("静岡県西部", "443", "5-"), ("静岡県東部", "441", "5+"))
    settings = JmaSettings(areas={"441", "442", "443"})
    decisions = play(settings, shindo(body=regions), shindo(body=grown, **LATER))
    lines = compose(decisions[1], Texts("broadcasts.jma")).splitlines()
    new = lines[lines.index("■ 変わったこと") + 1 : lines.index("■ どこで・どのくらい")]
    assert new[:2] == ["・新しく 静岡県東部：震度５強", "・強くなりました 静岡県中部：震度５弱 → 震度６弱"]
    assert "・静岡県西部：震度５弱" in lines
    assert not any("静岡県西部" in line for line in new)


def test_what_is_new_is_measured_by_what_people_were_told() -> None:
    last = play(
        CITY,
        warning(RAIN3),
        RELEASE,
        warning(RAIN4, **LATER),
        warning(RAIN4, headline="まだ続きます。", reported="2026-11-23T16:00:00+09:00"),
    )[-1]
    assert [(change.before.label if change.before else "", change.now.label) for change in last.changes] == [
        ("レベル３大雨警報", "レベル４大雨危険警報")
    ]


def test_a_draft_says_what_where_how_severe_when_and_how_to_go_on() -> None:
    [decision] = play(
        SHIZUOKA,
        tsunami(
            coast("静岡県", "380", "津波警報", "51", "2026-11-23T14:30:00+09:00", "３ｍ"),
            more="",
            headline="津波警報を発表しました。",
        ),
    )
    text = compose(decision, Texts("broadcasts.jma"))
    for part in (
        "【津波】津波警報：静岡県",
        "・静岡県：津波警報（来る時刻：23日 14:30、高さ：３ｍ）",
        "11月23日 14:03 気象庁本庁 発表",
        "津波警報を発表しました。",
        "高いところへ逃げてください",
        "出典：気象庁",
    ):
        assert part in text


def test_the_source_of_an_earthquake_is_added_to_its_draft() -> None:
    amended = play(SHIZUOKA, shindo("5-"), shingen(**LATER))[1]
    text = compose(amended, Texts("broadcasts.jma"))
    for part in ("静岡県中部：震度５弱", "震源：駿河湾", "Ｍ６．６", "津波の心配はありません"):
        assert part in text


def test_measured_heights_of_other_coasts_stay_out() -> None:
    def station(area: str, code: str, name: str) -> str:
        height = '<jmx_eb:TsunamiHeight description="１．２ｍ">1.2</jmx_eb:TsunamiHeight>'
        return (
            f"<Item><Area><Name>{area}</Name><Code>{code}</Code></Area><Station><Name>{name}</Name>"
            f"<MaxHeight>{height}</MaxHeight></Station></Item>"
        )

    measured = f"<Observation>{station('静岡県', '380', '清水')}{station('岩手県', '210', '宮古')}</Observation>"
    estimated = (
        "<Estimation><Item><Area><Name>静岡県</Name><Code>380</Code></Area><MaxHeight>"
        '<jmx_eb:TsunamiHeight description="５ｍ">5</jmx_eb:TsunamiHeight></MaxHeight></Item></Estimation>'
    )
    decisions = play(
        SHIZUOKA, tsunami(MAJOR), tsunami(title="沖合の津波観測に関する情報", serial=1, more=measured + estimated)
    )
    text = compose(decisions[1], Texts("broadcasts.jma"))
    assert "清水 １．２ｍ" in text
    assert "静岡県 ５ｍ" in text
    assert "宮古" not in text


def test_a_long_list_of_areas_is_counted_after_the_twelfth() -> None:
    regions = [(f"地域{number}", str(500 + number), "5-") for number in range(20)]
    [decision] = play(JmaSettings(), shindo(body=intensity(*regions)))
    text = compose(decision, Texts("broadcasts.jma"))
    assert "ほか9件" in text
    assert len(decision.findings) == 21


def test_nothing_is_written_about_what_makes_no_draft() -> None:
    [decision] = play(SHIZUOKA, shindo("1"))
    with pytest.raises(ValueError, match="ignore"):
        compose(decision, Texts("broadcasts.jma"))


def test_a_headline_table_is_read_where_the_body_has_none() -> None:
    table = (
        '<Information type="震度速報"><Item><Kind><Name>震度６弱</Name></Kind><Areas codeType="地震情報／細分区域">'
        "<Area><Name>静岡県中部</Name><Code>442</Code></Area></Areas></Item></Information>"
    )
    coasts = (
        '<Information type="津波予報領域表現"><Item><Kind><Name>津波警報</Name><Code>51</Code></Kind>'
        '<Areas codeType="津波予報区"><Area><Name>静岡県</Name><Code>380</Code></Area></Areas></Item></Information>'
    )
    rain = (
        '<Information type="気象警報・注意報（市町村等）"><Item><Kind><Name>レベル３大雨警報</Name></Kind>'
        '<Areas codeType="気象・地震・火山情報／市町村等"><Area><Name>静岡市</Name><Code>2210000</Code></Area></Areas>'
        "</Item></Information>"
    )
    for data in (
        shindo(body=SOURCE + COMMENT, information=table),
        tsunami(body=SOURCE, information=coasts),
        warning(body="", information=rain),
    ):
        [decision] = play(SHIZUOKA, data)
        assert decision.action == "draft"


def test_a_tsunami_of_two_earthquakes_stays_the_event_of_the_first() -> None:
    both = "20261123140000 20261123141500"
    assert [d.action for d in play(SHIZUOKA, tsunami(ADVISORY), tsunami(WARNING, event_id=both, **LATER))] == [
        "draft",
        "amend",
    ]


def test_a_day_that_is_no_quake_of_ours_leaves_no_memory_but_its_place() -> None:
    [decision] = play(CITY, shindo("7", ("熊本県熊本", "741")))
    assert decision.memory.standing == ()
    assert decision.memory.stage == "none"


def test_the_hold_of_the_settings_is_ten_minutes() -> None:
    assert JmaSettings().hold == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("kind", "code", "sentence"),
    [
        ("レベル４大雨危険警報", "43", "警戒レベル４は"),
        ("レベル３高潮警報", "08", "警戒レベル３は"),
        ("高潮警報", "08", "警戒レベル４は"),
        ("大雪警報", "06", "外に出ると危険です"),
        ("暴風特別警報", "35", "命の危険があります"),
    ],
)
def test_how_to_go_on_fits_the_warning(kind: str, code: str, sentence: str) -> None:
    [decision] = play(CITY, warning(item("静岡市", "2210000", (kind, code, "発表"))))
    assert sentence in compose(decision, Texts("broadcasts.jma"))


def test_what_was_a_mistake_is_taken_back_without_advice_for_a_danger_that_there_was_not() -> None:
    _, decision = play(SHIZUOKA, shindo("5-"), RELEASE, shindo(info_type="取消", body=None, **LATER))
    text = compose(decision, Texts("broadcasts.jma"))
    assert "前のお知らせは取り消されました" in text
    assert "災害対策本部の次のお知らせを待ってください" in text
    assert "川" not in text
