"""Telegrams made for the tests after the agency's schema (Control, Head, Body of 気象庁防災情報XML)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

BASIS = "http://xml.kishou.go.jp/jmaxml1/"
OFFICE = "気象庁本庁"


def report(
    title: str,
    *,
    body: str | None = "",
    event_id: str = "20261123140000",
    status: str = "通常",
    info_type: str = "発表",
    serial: object = "",
    reported: str = "2026-11-23T14:03:00+09:00",
    sent: str = "2026-11-23T05:03:00Z",
    head_title: str = "",
    headline: str = "お知らせします。",
    information: str = "",
    office: str = OFFICE,
    encoding: str = "UTF-8",
    science: str = "seismology1",
) -> bytes:
    """A whole telegram; `body` None leaves the element out."""
    text = f"""<?xml version="1.0" encoding="{encoding}"?>
<Report xmlns="{BASIS}" xmlns:jmx="{BASIS}">
<Control><Title>{title}</Title><DateTime>{sent}</DateTime><Status>{status}</Status>
<EditorialOffice>{office}</EditorialOffice><PublishingOffice>{office}</PublishingOffice></Control>
<Head xmlns="{BASIS}informationBasis1/"><Title>{head_title or title}</Title>
<ReportDateTime>{reported}</ReportDateTime><TargetDateTime>{reported}</TargetDateTime>
<EventID>{event_id}</EventID><InfoType>{info_type}</InfoType><Serial>{serial}</Serial>
<InfoKind>{title}</InfoKind><InfoKindVersion>1.0_0</InfoKindVersion>
<Headline><Text>{escape(headline)}</Text>{information}</Headline></Head>
"""
    if body is not None:
        basis = f'xmlns="{BASIS}body/{science}/" xmlns:jmx_eb="{BASIS}elementBasis1/"'
        text += f"<Body {basis}>{body}</Body>\n"
    return (text + "</Report>\n").encode({"Shift_JIS": "cp932"}.get(encoding, encoding))


def intensity(*regions: tuple[str, str, str], cities: Iterable[tuple[str, str, str]] = ()) -> str:
    """Body/Intensity with regions and, in the first region, municipalities, each (name, code, intensity)."""
    inner = "".join(f"<City><Name>{n}</Name><Code>{c}</Code>{_shaken(i)}</City>" for n, c, i in cities)
    areas = ""
    for name, code, value in regions:
        areas += f"<Area><Name>{name}</Name><Code>{code}</Code>{_shaken(value)}{inner}</Area>"
        inner = ""
    top = regions[0][2] if regions else ""
    prefecture = f"<Pref><Name>静岡県</Name><Code>22</Code>{_shaken(top)}{areas}</Pref>"
    return f"<Intensity><Observation>{_shaken(top)}{prefecture}</Observation></Intensity>"


def _shaken(value: str) -> str:
    return f"<Condition>{value}</Condition>" if "未入電" in value else f"<MaxInt>{value}</MaxInt>"


SOURCE = """<Earthquake><OriginTime>2026-11-23T14:00:00+09:00</OriginTime><Hypocenter><Area><Name>駿河湾</Name>
<Code type="震央地名">485</Code>
<jmx_eb:Coordinate description="北緯３４．８度　東経１３８．５度　深さ　１０ｋｍ">+34.8+138.5-10000/</jmx_eb:Coordinate>
</Area></Hypocenter><jmx_eb:Magnitude type="Mj" description="Ｍ６．６">6.6</jmx_eb:Magnitude></Earthquake>"""
COMMENT = "<Comments><ForecastComment><Text>この地震による津波の心配はありません。</Text></ForecastComment></Comments>"


def shindo(value: str = "5-", region: tuple[str, str] = ("静岡県中部", "442"), **head: Any) -> bytes:
    """震度速報 (VXSE51)."""
    body = intensity((*region, value))
    return report("震度速報", **{"body": body, **head})


def shingen(**head: Any) -> bytes:
    """震源に関する情報 (VXSE52)."""
    return report("震源に関する情報", **{"body": SOURCE + COMMENT, **head})


def shingen_shindo(
    value: str = "5-", cities: Sequence[tuple[str, str, str]] = (("静岡市", "2210000", "5-"),), **head: Any
) -> bytes:
    """震源・震度に関する情報 (VXSE53)."""
    body = SOURCE + intensity(("静岡県中部", "442", value), cities=cities) + COMMENT
    return report("震源・震度に関する情報", **{"body": body, "serial": 1, **head})


def coast(name: str, code: str, kind: str, kind_code: str, arrival: str = "", height: str = "") -> str:
    """One Item of Tsunami/Forecast."""
    first = f"<FirstHeight><ArrivalTime>{arrival}</ArrivalTime></FirstHeight>" if arrival else ""
    high = (
        f'<MaxHeight><jmx_eb:TsunamiHeight type="津波の高さ" unit="m" description="{height}">1</jmx_eb:TsunamiHeight>'
        "</MaxHeight>"
        if height
        else ""
    )
    return (
        f"<Item><Area><Name>{name}</Name><Code>{code}</Code></Area><Category><Kind><Name>{kind}</Name>"
        f"<Code>{kind_code}</Code></Kind></Category>{first}{high}</Item>"
    )


def tsunami(*coasts: str, title: str = "津波警報・注意報・予報a", more: str = "", **head: Any) -> bytes:
    """VTSE41 or, by its title, VTSE51 and VTSE52."""
    forecast = f"<Forecast>{''.join(coasts)}</Forecast>" if coasts else ""
    return report(title, **{"body": f"<Tsunami>{forecast}{more}</Tsunami>", **head})


CITY = "気象警報・注意報（市町村等）"
PREFECTURE = "気象警報・注意報（府県予報区等）"


def item(name: str, code: str, *kinds: tuple[str, str, str]) -> str:
    """One Item of Body/Warning; a kind is (name, code, status), none means 発表警報・注意報はなし."""
    written = "".join(f"<Kind><Name>{n}</Name><Code>{c}</Code><Status>{s}</Status></Kind>" for n, c, s in kinds)
    return (
        f"<Item>{written or '<Kind><Status>発表警報・注意報はなし</Status></Kind>'}"
        f"<Area><Name>{name}</Name><Code>{code}</Code></Area></Item>"
    )


def warning(*items: str, form: str = "（Ｒ０６）（大雨）", layer: str = CITY, more: str = "", **head: Any) -> bytes:
    """A weather warning, VPWW55 unless `form` says otherwise; weather warnings have no EventID and no serial."""
    fixed: dict[str, Any] = {
        "body": f'<Warning type="{layer}">{"".join(items)}</Warning>{more}',
        "event_id": "",
        "office": "静岡地方気象台",
        "head_title": "静岡県気象警報・注意報",
        "science": "meteorology1",
    }
    title = "気象特別警報・警報・注意報" if form == "VPWW53" else f"気象警報・注意報{form}"
    return report(title, **{**fixed, **head})


def landslide(*items: str, **head: Any) -> bytes:
    """土砂災害警戒情報 (VXWW50)."""
    fixed: dict[str, Any] = {
        "body": f'<Warning type="土砂災害警戒情報">{"".join(items)}</Warning>',
        "event_id": "静岡県土砂災害警戒情報",
        "serial": 1,
        "office": "静岡地方気象台",
    }
    return report("土砂災害警戒情報", **{**fixed, **head})


def flood(
    name: str = "氾濫警戒情報",
    code: str = "30",
    river: str = "安倍川",
    city: tuple[str, str] | None = None,
    **head: Any,
) -> bytes:
    """指定河川洪水予報 (VXKOii)."""

    def table(kind: str, area: str, number: str, codes: str) -> str:
        return (
            f'<Information type="指定河川洪水予報（{kind}）"><Item><Kind><Name>{name}</Name><Code>{code}</Code></Kind>'
            f'<Areas codeType="{codes}"><Area><Name>{area}</Name><Code>{number}</Code></Area></Areas></Item>'
            "</Information>"
        )

    information = table("河川", river, "8404050001", "河川") + table(
        "府県予報区等", "静岡県", "220000", "気象情報／府県予報区・細分区域等"
    )
    flooded = (
        f"<Item><Kind><Name>浸水想定地区</Name></Kind><Areas><Area><Name>観測所</Name><City>{city[0]}</City>"
        f"<CityCode>{city[1]}</CityCode></Area></Areas></Item>"
        if city
        else ""
    )
    sentence = "<Property><Type>主文</Type><Text>安倍川では、氾濫のおそれがあります。</Text></Property>"
    fixed: dict[str, Any] = {
        "body": f'<Warning type="指定河川洪水予報"><Item><Kind>{sentence}</Kind></Item>{flooded}</Warning>',
        "information": information,
        "event_id": "840405000100",
        "serial": 1,
        "science": "meteorology1",
    }
    return report("指定河川洪水予報", **{**fixed, **head})
