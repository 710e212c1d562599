"""What a city means by an area, in every usual spelling, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from broadcasts.jma import JmaSettings, places
from broadcasts.jma.our_areas import OurAreas
from broadcasts.jma.telegram import Area
from config.cli import app
from config.settings import JmaTable
from tests.jma.play import play
from tests.jma.telegrams import coast, shindo, tsunami

RYUGASAKI = [
    "龍ケ崎市",
    "龍ヶ崎市",
    "竜ケ崎市",
    "龍が崎市",
    "茨城県龍ヶ崎市",
    "08208",
    "082082",
    "0820800",
    "０８２０８００",
]


@pytest.mark.parametrize("written", RYUGASAKI)
def test_a_city_is_known_in_every_spelling(written: str) -> None:
    ours = OurAreas.of([written])
    assert list(ours.problems()) == []
    assert "震度速報 / quake regions: 茨城県南部" in ours.described()
    assert "津波 / tsunami: なし" in ours.described()


@pytest.mark.parametrize(
    ("city", "regions", "shores"),
    [
        ("鎌倉市", "神奈川県東部", "相模湾・三浦半島"),
        ("常総市", "茨城県南部", "なし"),
        ("静岡市", "静岡県中部", "静岡県"),
        ("松江市", "島根県東部", "島根県出雲・石見"),
        ("東京都府中市", "東京都多摩東部", "なし"),
        ("稲敷郡美浦村", "茨城県南部", "なし"),
        ("袖ヶ浦市", "千葉県南部", "千葉県九十九里・外房、千葉県内房、東京湾内湾"),
    ],
)
def test_regions_and_coasts_follow_from_the_city(city: str, regions: str, shores: str) -> None:
    ours = OurAreas.of([city])
    assert (places.names(ours.regions), places.names(ours.coasts)) == (regions, shores)


@pytest.mark.parametrize("written", ["府中市", "伊達市", "北区", "川崎町", "池田町"])
def test_a_name_that_several_places_have_is_asked_about(written: str) -> None:
    [problem] = OurAreas.of([written]).problems()
    assert "か所あります" in problem


@pytest.mark.parametrize(
    ("written", "near"), [("常総氏", "茨城県常総市"), ("つくばみらい氏", "つくばみらい市"), ("08299", "")]
)
def test_what_is_no_place_is_refused_with_what_is_near(written: str, near: str) -> None:
    [problem] = OurAreas.of([written]).problems()
    assert "当たる地域がありません" in problem
    assert near in problem


@pytest.mark.parametrize("written", ["0821200", "082111", "9999900", "tsunami:999", "quake:1", "city:123", "99"])
def test_a_number_that_does_not_exist_is_refused(written: str) -> None:
    found = places.find(written)
    assert found.unlisted is False
    assert bool(found.found) is (written == "0821200")


def test_a_city_alone_hears_of_its_region_and_its_coast() -> None:
    settings = JmaTable(areas=("鎌倉市",)).rules()
    quake, wave = play(
        settings,
        shindo("6-", ("神奈川県東部", "360"), event_id="1"),
        tsunami(coast("相模湾・三浦半島", "330", "津波警報", "51"), event_id="2"),
    )
    assert (quake.action, wave.action) == ("draft", "draft")


def test_a_designated_city_hears_of_its_wards_and_not_of_its_neighbours() -> None:
    settings: JmaSettings = JmaTable(areas=("横浜市",)).rules()
    table = "気象・地震・火山情報／市町村等"
    assert settings.concerns(Area("横浜鶴見区", "1410100", table))
    assert not settings.concerns(Area("川崎川崎区", "1413100", table))


def test_every_name_of_the_lists_is_found_by_itself_and_by_its_code() -> None:
    for place in (*places.municipalities().values(), *places.quake_regions().values(), *places.coasts().values()):
        assert place.code in {found.code for found in places.find(place.shown).found} | {
            f"{number:02}" for number, name in enumerate(places.PREFECTURES, 1) if name == place.name
        } | {place.code if place.name in places.PREFECTURES else ""}
        assert place in places.find(f"{place.table}:{place.code}").found
    assert (len(places.municipalities()), len(places.quake_regions()), len(places.coasts())) == (1741, 188, 66)


def test_check_refuses_a_place_that_no_telegram_can_name(tmp_path: Path) -> None:
    settings = tmp_path / "kairanban.toml"
    settings.write_text('[jma]\nareas = ["常総氏"]\n', encoding="utf-8")
    result = CliRunner().invoke(app, ["check", "--settings", str(settings)])
    assert result.exit_code == 1
    assert "茨城県常総市" in result.output
