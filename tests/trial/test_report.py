from __future__ import annotations

import io
import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import orjson
import pytest
from rich.console import Console

from bot.texts import Language, Texts, load
from tests.trial.samples import TIERS, sample_report
from trial.report import charts, figures
from trial.report.model import Report
from trial.report.page import render
from trial.report.terminal import print_summary

SENT = datetime(2023, 10, 12, 10, tzinfo=UTC)


def receipt(minutes: float | None, department: str = "総務部") -> figures.Receipt:
    return figures.Receipt(department, None if minutes is None else SENT + timedelta(minutes=minutes))


def test_a_broadcast_counts_reads_by_span_and_department() -> None:
    receipts = [
        receipt(5),
        receipt(5.1),
        receipt(60, "福祉部"),
        receipt(1440, "福祉部"),
        receipt(2000),
        receipt(None, "新しい課"),
    ]
    result = figures.broadcast(
        id=7, kind="emergency", title="x", sent_at=SENT, receipts=receipts, delivered=6, duplicates=1, reminders=2
    )
    assert result.model_dump(by_alias=True)["read_within"] == {"5m": 1, "15m": 2, "60m": 3, "24h": 4}
    assert (result.recipients, result.read, result.unread) == (6, 5, 1)
    assert (result.delivered, result.duplicates, result.reminders) == (6, 1, 2)
    assert [(part.department, part.recipients, part.read) for part in result.by_department] == [
        ("総務部", 3, 3),
        ("福祉部", 2, 2),
        ("新しい課", 1, 0),
    ]
    assert result.sent_at.isoformat() == "2023-10-12T19:00:00+09:00"
    assert [point.read for point in result.reach] == sorted(point.read for point in result.reach)


def test_the_json_holds_every_field_of_the_agreement_and_says_that_the_people_are_simulated() -> None:
    fields = orjson.loads(sample_report().as_json())
    assert fields["simulated"] is True
    assert fields["notice"]
    agreed = {
        "": "staff months virtual_days wall_seconds events_in messages_out rooms broadcasts surveys adoption cost",
        "rooms": "count largest",
        "broadcasts": "id kind sent_at recipients delivered duplicates read unread read_within reminders by_department",
        "surveys": "id asked respondents tables",
        "adoption": "monthly_active",
        "cost": "accounts price monthly monthly_with_tax cheaper_at",
    }
    for path, names in agreed.items():
        part = fields[path] if path else fields
        part = part[0] if isinstance(part, list) else part
        assert set(names.split()) <= set(part), path
    assert list(fields["broadcasts"][0]["read_within"]) == ["5m", "15m", "60m", "24h"]
    assert Report.model_validate_json(sample_report().as_json()) == sample_report()


def test_the_fingerprint_leaves_out_the_wall_clock_and_nothing_else() -> None:
    report = sample_report()
    assert report.fingerprint() == sample_report(wall_seconds=99).fingerprint()
    assert report.fingerprint() != report.model_copy(update={"events_in": 1}).fingerprint()


def test_broadcasts_stand_in_the_order_in_which_they_were_sent() -> None:
    assert [broadcast.id for broadcast in sample_report().broadcasts] == [1, 2, 3]


def test_a_month_in_which_nobody_came_is_shown_as_nobody() -> None:
    months = figures.adoption({"2023-08": 3}, staff=4, start=date(2023, 7, 15), months=2).monthly_active
    assert [(month.month, month.users, month.share) for month in months] == [
        ("2023-07", 0, 0.0),
        ("2023-08", 3, 0.75),
        ("2023-09", 0, 0.0),
    ]


def test_shares_of_nobody_are_nothing() -> None:
    assert figures.share(0, 0) == 0.0
    assert figures.table(key="q", question="?", kind="choice", respondents=0, counts={"a": 0}).rows[0].share == 0.0


def test_both_readings_of_the_price_table_are_in_the_cost() -> None:
    cost = figures.costs(1200, TIERS, reading="inside", tax_percent=10)
    assert (cost.reading, cost.monthly, cost.monthly_with_tax) == ("inside", 445_000, 489_500)
    assert (cost.other.reading, cost.other.monthly, cost.other.monthly_with_tax) == ("all", 420_000, 462_000)


class Page(HTMLParser):
    """What a browser would do with the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self._open: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "h2":
            self.headings.append("")
            self._open = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._open:
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.headings[-1] += data


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    html = render(sample_report())
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"}
    for _, attributes in page.tags:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?://|@import|url\(", html)


def test_every_section_of_the_page_says_that_the_people_are_simulated() -> None:
    page = Page(render(sample_report()))
    assert len(page.headings) == 6
    assert all("架空の職員" in heading for heading in page.headings)


def test_what_people_wrote_is_shown_as_text_and_never_as_markup() -> None:
    html = render(sample_report())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>" not in html


def test_links_within_the_page_lead_to_its_sections() -> None:
    page = Page(render(sample_report()))
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    targets = {(attributes.get("href") or "")[1:] for tag, attributes in page.tags if tag == "a"}
    assert targets
    assert targets <= ids


@pytest.mark.parametrize(("staff", "shown"), [(225, False), (438, False), (480, True), (501, False)])
def test_the_page_notices_when_more_accounts_cost_less(staff: int, shown: bool) -> None:
    assert ("501 アカウントで契約した方が安く" in render(sample_report(staff=staff))) is shown


def test_a_rehearsal_in_which_nothing_happened_has_a_page_too() -> None:
    empty = sample_report(staff=10_001).model_copy(update={"broadcasts": (), "surveys": ()})
    html = render(empty)
    assert "一斉連絡はありませんでした" in html
    assert "アンケートはありませんでした" in html
    assert "応相談" in html


def test_an_unknown_kind_of_notice_is_shown_by_its_own_name() -> None:
    report = sample_report()
    odd = report.broadcasts[0].model_copy(update={"kind": "evacuation"})
    changed = report.model_copy(update={"broadcasts": (odd,)})
    assert ">evacuation<" in render(changed)
    assert "evacuation" in printed(changed, "ja")


def test_charts_are_well_formed_and_stay_on_their_canvas() -> None:
    chart = charts.reach_curve([(1, 0), (60, 5), (10_000, 10)], 10, label='"<&>"', marks=[(5, "5分")])
    root = ET.fromstring(chart)  # noqa: S314 - our own drawing
    assert root.attrib["aria-label"] == '"<&>"'
    for path in root.iter("path"):
        places = [float(number) for number in re.findall(r"[\d.]+", path.attrib["d"])]
        assert max(places[::2]) <= 380
        assert max(places[1::2]) <= 170
    drawn = ET.fromstring(charts.columns([("7月", 12), ("8月", 40)], 20, label="x"))  # noqa: S314 - ours
    heights = [float(bar.attrib["height"]) for bar in drawn.iter("rect")]
    assert heights[0] < heights[1]
    assert all(float(bar.attrib["y"]) >= 0 for bar in drawn.iter("rect"))


def test_charts_of_nothing_can_be_drawn() -> None:
    assert "NaN" not in charts.reach_curve([], 0, label="x", marks=[])
    assert ET.fromstring(charts.columns([("7月", 0)], 0, label="x")) is not None  # noqa: S314 - ours
    assert 'width="100"' in charts.bar(3.0)


def printed(report: Report, language: Language, problems: dict[str, int] | None = None) -> str:
    console = Console(width=120, file=io.StringIO())
    print_summary(report, console, Texts("trial", language=language), problems)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_the_terminal_shows_delivery_duplicates_cost_and_what_was_refused() -> None:
    shown = printed(sample_report(staff=480), "ja", {"409 満員です": 3})
    assert "675 / 675" in shown
    assert "501 アカウントにした方が安く" in shown
    assert "3 回: 409 満員です" in shown
    assert "職員は架空です" in shown


def test_the_terminal_speaks_english_too_and_admits_a_negotiated_price() -> None:
    shown = printed(sample_report(staff=10_001), "en")
    assert "is negotiated" in shown
    assert "Refused" not in shown


def test_both_catalogues_have_the_same_sentences_with_the_same_values() -> None:
    japanese, english = load("trial", "ja"), load("trial", "en")
    assert japanese.keys() == english.keys()
    for key, sentence in japanese.items():
        assert set(re.findall(r"{\w+}", sentence)) == set(re.findall(r"{\w+}", english[key])), key
