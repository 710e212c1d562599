"""Bytes into a telegram: `read` never raises, whatever it is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element

from bot.clock import TOKYO
from broadcasts.jma import earthquake, river, tsunami, weather
from broadcasts.jma.telegram import Content, InfoType, Matter, Reason, Status, Telegram, Unreadable, plain
from broadcasts.jma.tree import NotXml, number, parse, path, text

NAMESPACE = "{http://xml.kishou.go.jp/jmaxml1/}"

NAME_LIMIT = 300
"""How long the name of an event may be; the agency's longest are below 60 and a database's index takes no megabyte."""


HEADLINE_LIMIT = 2_000
"""How much of a headline is read; the longest sample has 200 characters."""


class Kind(NamedTuple):
    """A kind of telegram that is read."""

    code: str
    matter: Matter
    read: Callable[[Element, Element], Content]


def _time_series(head: Element, body: Element) -> Content:
    """VPWP50 foretells the hours ahead; the warning itself comes as VPWW55–61, so nothing holds through this one."""
    return Content()


# The kind's code stands in file names only; in the telegram Control/Title names it (管理部・ヘッダ部の運用整理表).
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("震度速報", Kind("VXSE51", "earthquake", earthquake.read)),
    ("震源に関する情報", Kind("VXSE52", "earthquake", earthquake.read)),
    ("震源・震度に関する情報", Kind("VXSE53", "earthquake", earthquake.read)),
    ("津波警報・注意報・予報a", Kind("VTSE41", "tsunami", tsunami.read)),
    ("津波情報a", Kind("VTSE51", "tsunami", tsunami.read)),
    ("沖合の津波観測に関する情報", Kind("VTSE52", "tsunami", tsunami.read)),
    ("気象特別警報・警報・注意報", Kind("VPWW53", "warning", weather.read)),
    ("気象警報・注意報(H27)", Kind("VPWW54", "warning", weather.read)),
    ("気象警報・注意報時系列情報(R06)", Kind("VPWP50", "warning", _time_series)),
    ("土砂災害警戒情報", Kind("VXWW50", "landslide", weather.read_landslide)),
    ("指定河川洪水予報", Kind("VXKOii", "flood", river.read)),
)
# A form of the 2026 reform says in brackets what it is about, shorter or longer: (土砂), (土砂災害), (その他注意報).
_REFORM = "気象警報・注意報(R06)("
_FORMS = {
    "大雨": "VPWW55",
    "土砂": "VPWW56",
    "高潮": "VPWW57",
    "暴風": "VPWW58",
    "波浪": "VPWW59",
    "大雪": "VPWW60",
    "その他": "VPWW61",
}
KINDS = dict(_KINDS) | {f"{_REFORM}{word})": Kind(code, "warning", weather.read) for word, code in _FORMS.items()}

# 府県予報区 stands in front of these words in Head/Title (山口県気象警報・注意報), and nowhere else once all is lifted.
_SUBJECTS = (
    *(
        "気象",
        "大雨",
        "土砂災害",
        "土砂",
        "高潮",
        "暴風雪",
        "暴風",
        "風雪",
        "強風",
        "波浪",
        "大雪",
        "雷",
        "融雪",
        "濃霧",
    ),
    *("乾燥", "なだれ", "低温", "霜", "着氷", "着雪", "洪水", "その他", "レベル", "1", "2", "3", "4", "5"),
    *("特別警報", "危険警報", "警報", "注意報", "の", "及び", "・"),
)

CONCERNING = (
    *("地震", "津波", "火山", "噴火", "降灰", "竜巻", "記録的短時間", "防災速報", "線状降水帯", "台風"),
    *("警報", "警戒", "土砂", "洪水", "氾濫"),
)
"""Words in the titles of kinds that could concern a city; if one of these is not read, the officers are told."""


def kind_of(title: str) -> Kind | None:
    """The kind that Control/Title names, or None if it is not read."""
    known = KINDS.get(title)
    if known is None and title.startswith(_REFORM):
        code = next((code for word, code in _FORMS.items() if title.startswith(word, len(_REFORM))), None)
        known = Kind(code, "warning", weather.read) if code else None
    return known


def _forecast_region(title: str) -> str:
    """`title` without the words about warnings at its end."""
    while word := next((word for word in _SUBJECTS if title.endswith(word)), None):
        title = title.removesuffix(word)
    return title


def read(data: bytes) -> Telegram | Unreadable:
    """The telegram in `data` (XML, also gzip), or why it cannot be read."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        return _read(parse(data), digest)
    except NotXml as problem:
        return Unreadable(digest, problem.reason)


def _read(root: Element, digest: str) -> Telegram | Unreadable:
    control, head, body = (root.find(path(name)) for name in ("Control", "Head", "Body"))
    if root.tag != f"{NAMESPACE}Report" or control is None or head is None:
        return Unreadable(digest, Reason("not_a_telegram"))
    title, status, info_type = text(control, "Title"), text(control, "Status"), text(head, "InfoType")
    reported_at, headline = moment(text(head, "ReportDateTime")), text(head, "Headline", "Text")[:HEADLINE_LIMIT]
    event_id = text(head, "EventID")
    if max(len(title), len(event_id), len(text(head, "Title")), len(text(control, "EditorialOffice"))) > NAME_LIMIT:
        return Unreadable(digest, Reason("too_long", {"limit": NAME_LIMIT}), reported_at=reported_at)
    kind = kind_of(plain(title))

    def unreadable(reason: Reason) -> Unreadable:
        known = Status(status) if status in list(Status) else None
        return Unreadable(digest, reason, kind.code if kind else None, event_id or None, reported_at, headline, known)

    if status not in list(Status):
        return unreadable(Reason("status", {"status": status}))
    if info_type not in list(InfoType):
        return unreadable(Reason("info_type", {"info_type": info_type}))
    if reported_at is None:
        return unreadable(Reason("report_time"))
    if kind is None:
        return unreadable(Reason("unknown_kind", {"title": title}))
    # A cancellation has no more than a sentence in its body; anything else without a body has been cut.
    if body is None and info_type != InfoType.CANCELLATION:
        return unreadable(Reason("no_body"))
    office = text(control, "EditorialOffice") or text(control, "PublishingOffice")
    series = _series(kind, event_id, office, text(head, "Title"))
    if len(series) > NAME_LIMIT:
        return unreadable(Reason("too_long", {"limit": NAME_LIMIT}))
    return Telegram(
        digest=digest,
        kind=kind.code,
        matter=kind.matter,
        status=Status(status),
        info_type=InfoType(info_type),
        event_id=event_id or f"{office}/{reported_at.isoformat()}/{digest[:12]}",
        series=series,
        serial=number(text(head, "Serial")),
        reported_at=reported_at,
        sent_at=moment(text(control, "DateTime")) or reported_at,
        title=text(head, "Title") or title,
        office=office,
        headline=headline,
        content=Content() if body is None else kind.read(head, body),
    )


def _series(kind: Kind, event_id: str, office: str, title: str) -> str:
    if event_id:
        # A tsunami of several earthquakes names them all; the first was there before the others.
        return f"{kind.matter}:{min(event_id.split())}"
    # Weather warnings have no EventID. VPWW53 and VPWW54 say the same in two forms; each form of the reform is about
    # another phenomenon and goes its own way.
    form = "VPWW" if kind.code in ("VPWW53", "VPWW54") else kind.code
    return f"{kind.matter}:{form}:{office}:{_forecast_region(plain(title))}"


def moment(written: str) -> datetime | None:
    """An ISO 8601 moment, Japan's time unless it says otherwise; None if it is none."""
    try:
        found = datetime.fromisoformat(written)
        found = found.replace(tzinfo=TOKYO) if found.tzinfo is None else found
        # The first and last days of the calendar have no UTC: such a time is as good as none.
        found.astimezone(TOKYO).utctimetuple()
    except (ValueError, OverflowError):
        return None
    return found
