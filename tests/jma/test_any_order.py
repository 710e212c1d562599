"""Whatever order an event's telegrams come in, and however often: one end, and no all-clear while a level stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.texts import Texts
from broadcasts.jma import Decision, JmaSettings, compose
from tests.jma.play import (
    ADVISORY,
    CITY,
    LANDSLIDE,
    LANDSLIDE_OVER,
    LIFTED,
    MAJOR,
    NOTHING,
    RAIN2,
    RAIN3,
    RAIN4,
    RELEASE,
    SHIZUOKA,
    TSUNAMI_OVER,
    WARNING,
    play,
)
from tests.jma.telegrams import coast, flood, item, landslide, shindo, shingen, shingen_shindo, tsunami, warning

CASES = Path(__file__).parent / "cases"
BEGIN = datetime.fromisoformat("2026-11-23T14:00:00+09:00")
FLOODED = JmaSettings(areas={"2210000", "静岡県"})
SEA_CHANGE = coast("静岡県", "380", "津波予報（若干の海面変動）", "71")
OTHER_COAST = coast("愛知県外海", "390", "津波注意報", "62")
OTHER_CITY = item("沼津市", "2220300", ("レベル３大雨警報", "03", "発表"))
LANDSLIDE3 = item("静岡市", "2210000", ("レベル３土砂災害警報", "09", "発表"))


def at(minutes: int, **more: Any) -> dict[str, Any]:
    """A telegram's times, so many minutes after the event began."""
    moment = BEGIN + timedelta(minutes=minutes)
    return {"reported": moment.isoformat(), "sent": (moment + timedelta(seconds=20)).isoformat(), **more}


CHAINS: dict[str, tuple[JmaSettings, list[bytes]]] = {
    "an earthquake, corrected": (
        SHIZUOKA,
        [
            shindo("5-", **at(1)),
            shindo("6-", **at(2)),
            shingen(**at(3)),
            shingen_shindo("6-", serial=1, **at(5)),
            shingen_shindo("5+", serial=1, info_type="訂正", **at(6)),
            shingen_shindo("5+", serial=2, **at(9)),
        ],
    ),
    "an earthquake that was none": (
        SHIZUOKA,
        [shindo("6-", **at(1)), shindo("7", **at(2)), shindo(info_type="取消", body=None, **at(3))],
    ),
    "a tsunami that grows, falls and is lifted": (
        SHIZUOKA,
        [
            tsunami(ADVISORY, **at(3)),
            tsunami(MAJOR, **at(8)),
            tsunami(MAJOR, title="津波情報a", serial=1, **at(9)),
            tsunami(OTHER_COAST, **at(30)),
            tsunami(WARNING, **at(90)),
            tsunami(WARNING, title="津波情報a", serial=2, **at(91)),
            tsunami(ADVISORY, **at(200)),
            tsunami(TSUNAMI_OVER, **at(300)),
            tsunami(TSUNAMI_OVER, title="津波情報a", serial=3, **at(301)),
        ],
    ),
    "a tsunami of which the sea still moves": (
        SHIZUOKA,
        [tsunami(WARNING, **at(3)), tsunami(ADVISORY, **at(60)), tsunami(SEA_CHANGE, **at(200))],
    ),
    "a warning that is lifted": (
        CITY,
        [
            warning(RAIN2, **at(0)),
            warning(RAIN3, **at(60)),
            warning(RAIN4, **at(120)),
            warning(OTHER_CITY, **at(130)),
            warning(RAIN3, **at(180)),
            warning(LIFTED, **at(240)),
            warning(NOTHING, **at(400)),
        ],
    ),
    "a warning that goes on below the threshold": (CITY, [warning(RAIN4, **at(0)), warning(RAIN2, **at(60))]),
    "a warning that was corrected and cancelled": (
        CITY,
        [
            warning(RAIN3, **at(0)),
            warning(RAIN4, info_type="訂正", **at(1)),
            warning(RAIN4, **at(30)),
            warning(info_type="取消", body=None, **at(31)),
        ],
    ),
    "a landslide alert": (
        CITY,
        [
            landslide(LANDSLIDE, serial=1, **at(0)),
            landslide(item("沼津市", "2220300", ("警戒", "3", "発表")), serial=2, **at(20)),
            landslide(LANDSLIDE_OVER, serial=3, **at(90)),
        ],
    ),
    "a landslide of the reform that is still level 3": (
        replace(CITY, warning="危険警報"),
        [
            landslide(item("静岡市", "2210000", ("レベル４土砂災害危険警報", "", "発表")), serial=1, **at(0)),
            landslide(LANDSLIDE3, serial=2, **at(50)),
        ],
    ),
    "a river that breaks and falls": (
        FLOODED,
        [
            flood("レベル３氾濫警報", "31", city=("静岡市", "2210000"), serial=1, **at(0)),
            flood("レベル４氾濫危険警報", "41", city=("静岡市", "2210000"), serial=2, **at(60)),
            flood("レベル５氾濫特別警報", "53", city=("沼津市", "2220300"), serial=3, **at(90)),
            flood("レベル４氾濫危険警報", "41", serial=4, **at(300)),
            flood("レベル２氾濫注意報", "21", serial=5, **at(400)),
            flood("氾濫注意報解除", "10", serial=6, **at(500)),
        ],
    ),
    "a river that has broken": (
        FLOODED,
        [
            flood("レベル４氾濫危険警報", "41", city=("静岡市", "2210000"), serial=1, **at(60)),
            flood("レベル５氾濫特別警報", "53", city=("沼津市", "2220300"), serial=2, **at(90)),
        ],
    ),
}


def standing(decisions: list[Decision]) -> set[tuple[tuple[str, str, str], int]]:
    return {(finding.key, finding.level) for finding in decisions[-1].memory.standing}


@pytest.mark.parametrize("name", CHAINS)
@given(data=st.data())
def test_any_order_and_repetition_ends_in_the_same_state(name: str, data: st.DataObject) -> None:
    settings, chain = CHAINS[name]
    straight = play(settings, *chain)
    shuffled = data.draw(st.permutations(chain))
    repeated = data.draw(st.lists(st.sampled_from(chain), max_size=5))
    decisions = play(settings, *shuffled, *repeated)
    assert standing(decisions) == standing(straight)
    assert decisions[-1].memory.stage == straight[-1].memory.stage
    assert all(decision.action == "ignore" for decision in decisions[len(chain) :])


@pytest.mark.parametrize("name", CHAINS)
@given(data=st.data())
def test_no_order_of_telegrams_and_releases_says_over_while_a_level_stands(name: str, data: st.DataObject) -> None:
    settings, chain = CHAINS[name]
    steps = data.draw(st.permutations([*chain, RELEASE, RELEASE, RELEASE]))
    texts = Texts("broadcasts.jma", language="ja")
    for decision in play(settings, *steps):
        stands = [finding for finding in decision.memory.standing if finding.level]
        if decision.action in ("draft", "amend") or decision.all_clear:
            text = compose(decision, texts)
            assert not (stands and "状態は終わりました" in text)
            if decision.weakened:
                assert "弱まりました、" in text
                assert "が続いています" in text
        assert not (decision.all_clear and stands)


def case(name: str) -> bytes:
    return (CASES / name).read_bytes()


def test_a_river_that_breaks_is_a_higher_notice_although_the_city_is_not_listed_again() -> None:
    settings = JmaSettings(areas={"0821100", "茨城県"})
    first, second = play(settings, case("flood_4_level4.xml"), RELEASE, case("flood_5_level5_breach.xml"))
    assert (first.action, second.action, second.told) == ("draft", "amend", True)
    assert [finding.level for finding in second.findings] == [5]
    text = compose(second, Texts("broadcasts.jma", language="ja"))
    assert "災害が発生" in text
    assert "終わりました" not in text


def test_a_landslide_warning_below_the_citys_threshold_is_said_to_go_on() -> None:
    settings = JmaSettings(areas={"松江市"}, warning="危険警報")
    telegrams = (case("landslide_level4.xml"), RELEASE, case("landslide_level3_still.xml"))
    text = compose(play(settings, *telegrams)[-1], Texts("broadcasts.jma", language="ja"))
    assert "弱まりました、レベル３が続いています" in text
    assert "終わりました" not in text


def test_a_tsunami_of_which_the_sea_still_moves_is_said_to_go_on() -> None:
    settings, chain = CHAINS["a tsunami of which the sea still moves"]
    text = compose(play(settings, chain[0], RELEASE, *chain[1:])[-1], Texts("broadcasts.jma", language="ja"))
    assert "弱まりました、津波予報（若干の海面変動）が続いています" in text


def test_the_sentence_that_the_river_has_broken_stands_first_however_many_there_are() -> None:
    many = "".join(
        f"<Property><Type>主文</Type><Text>観測所{n}では水位が上がっています。</Text></Property>" for n in range(20)
    )
    last = "<Property><Type>主文</Type><Text>【警戒レベル５相当】災害が発生しています。</Text></Property>"
    body = f'<Warning type="指定河川洪水予報"><Item><Kind>{many}{last}</Kind></Item></Warning>'
    [decision] = play(SHIZUOKA, flood("レベル５氾濫特別警報", "53", body=body))
    words = compose(decision, Texts("broadcasts.jma", language="ja"))
    assert words.index("災害が発生しています") < words.index("観測所0")


@pytest.mark.parametrize(
    "written",
    [
        '<jmx_eb:TsunamiHeight type="津波の高さ" unit="m" condition="不明" description="">NaN</jmx_eb:TsunamiHeight>',
        '<jmx_eb:TsunamiHeight unit="m" description="ＮａＮ">NaN</jmx_eb:TsunamiHeight>',
        '<jmx_eb:TsunamiHeight unit="m">nan</jmx_eb:TsunamiHeight>',
    ],
)
def test_a_height_that_is_not_there_is_unknown(written: str) -> None:
    first = "<Item><Area><Name>静岡県</Name><Code>380</Code></Area><Category><Kind><Name>津波警報</Name>"
    body = f"<Code>51</Code></Kind></Category><MaxHeight>{written}</MaxHeight></Item>"
    [decision] = play(SHIZUOKA, tsunami(first + body))
    text = compose(decision, Texts("broadcasts.jma", language="ja"))
    assert "高さ：不明" in text
    assert "nan" not in text.lower()


def test_a_magnitude_and_a_depth_that_are_not_there_are_unknown() -> None:
    source = (
        "<Earthquake><Hypocenter><Area><Name>駿河湾</Name><jmx_eb:Coordinate>NaN</jmx_eb:Coordinate></Area>"
        '</Hypocenter><jmx_eb:Magnitude type="Mj" condition="不明" description="">NaN</jmx_eb:Magnitude></Earthquake>'
    )
    decisions = play(SHIZUOKA, shindo("5-"), shingen(body=source, **at(9)))
    text = compose(decisions[-1], Texts("broadcasts.jma", language="ja"))
    assert "地震の大きさ：不明" in text
    assert "nan" not in text.lower()


def test_the_agencys_own_titles_of_the_reform_are_read() -> None:
    [decision] = play(JmaSettings(areas={"架空市"}, warning="注意報"), case("jma_vpww61.xml"))
    assert (decision.action, decision.source.kind) == ("draft", "VPWW61")


@pytest.mark.parametrize(("days", "said"), [(0, False), (7, True), (2_000, True)])
def test_an_old_telegram_begins_with_its_age(days: int, said: bool) -> None:
    [decision] = play(SHIZUOKA, shindo("6-", **at(0)))
    text = compose(decision, Texts("broadcasts.jma", language="ja"), BEGIN + timedelta(days=days, hours=1))
    assert text.startswith(f"【{days}日前の電文】2026年11月23日") is said
