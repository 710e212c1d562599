"""What an event's telegrams say together, whatever order they came in: a pure function of the set of them.

Only the agency's own word about an area ends what it said of that area: a lower level, 解除, 取消 or 訂正. A telegram
that does not list an area says nothing of it. Source: 気象庁防災情報XMLフォーマット 解説資料: VPWW lists every
warning that holds in an area that it lists; 指定河川洪水予報 is about the river, and its cities change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from broadcasts.jma.telegram import Fact, Finding, InfoType, Matter, Telegram, plain

SERIES_REST = timedelta(hours=24)
"""EventIDs of rivers and landslides name a river or a prefecture, so their serials begin again with the next flood; a
smaller serial so much later belongs to the next one even if the end of the last was never seen."""
SILENCE = timedelta(hours=48)
"""Warnings without serials are said again within half a day while they hold; after two days it is another event."""
ENTRIES_KEPT = 120
"""How many telegrams of an event are remembered: a great tsunami has one every few minutes for a day."""

_RANKS = {InfoType.ISSUE: 0, InfoType.CORRECTION: 1, InfoType.CANCELLATION: 2}
_AreaKey = tuple[str, str, str]


@dataclass(frozen=True)
class Entry:
    """One telegram of an event: its place in the series, and what it said of our areas (level 0 where it lifted).

    `rivers` are the levels of the river sections that a flood telegram is about, by code or name.
    """

    kind: str
    matter: Matter
    info_type: InfoType
    serial: int | None
    reported_at: datetime
    sent_at: datetime
    digest: str
    findings: tuple[Finding, ...] = ()
    rivers: tuple[Finding, ...] = ()
    facts: tuple[Fact, ...] = ()
    headline: str = ""
    covers: bool = False

    @classmethod
    def of(cls, telegram: Telegram, findings: tuple[Finding, ...], facts: tuple[Fact, ...]) -> Entry:
        """The entry of a telegram, of which `findings` and `facts` concern us."""
        content = telegram.content
        return cls(
            kind=telegram.kind,
            matter=telegram.matter,
            info_type=telegram.info_type,
            serial=telegram.serial,
            reported_at=telegram.reported_at,
            sent_at=telegram.sent_at,
            digest=telegram.digest,
            findings=findings,
            rivers=content.rivers,
            facts=facts,
            # Full-width figures come and go between telegrams; headlines are compared without them.
            headline=plain(telegram.headline),
            covers=content.covers,
        )

    @property
    def place(self) -> tuple[datetime, datetime, int, int, str, str]:
        """The order in which the agency wrote telegrams, as far as their times say."""
        return (self.reported_at, self.sent_at, self.serial or 0, _RANKS[self.info_type], self.kind, self.digest)

    def says_the_same(self, other: Entry) -> bool:
        """Whether both stand at the same place of the series and say the same of our areas."""
        mine = (self.kind, self.info_type, self.serial, self.reported_at, self.findings, self.rivers)
        return mine == (other.kind, other.info_type, other.serial, other.reported_at, other.findings, other.rivers)


def last_epoch(entries: Iterable[Entry]) -> list[Entry]:
    """The telegrams of the event that goes on, in the order of their reports; an EventID may be used again."""
    epoch = list[Entry]()
    for entry in sorted(entries, key=lambda entry: entry.place):
        if epoch and _begins_anew(epoch, entry):
            epoch = []
        epoch.append(entry)
    return epoch


def _begins_anew(epoch: Sequence[Entry], entry: Entry) -> bool:
    if entry.info_type is not InfoType.ISSUE:
        return False
    rest = entry.reported_at - epoch[-1].reported_at
    if entry.serial is None:
        return entry.matter == "warning" and rest >= SILENCE
    serials = [other.serial for other in epoch if other.kind == entry.kind and other.serial is not None]
    if not serials or entry.serial > max(serials):
        return False
    return rest >= SERIES_REST or (rest > timedelta(0) and not any(f.level for f in _standing(epoch)))


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """One epoch's telegrams in their true order: within a kind the serials decide, between kinds the times."""
    placed = list[tuple[tuple[object, ...], Entry]]()
    kinds: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.place):
        kinds.setdefault(entry.kind, []).append(entry)
    for chain in kinds.values():
        latest, serial = chain[0].reported_at, 0
        numbered = list[tuple[int, Entry]]()
        for entry in chain:
            # A correction or cancellation may leave the serial blank: it is about what came before it.
            serial = max(serial, entry.serial or 0)
            numbered.append((entry.serial or serial, entry))
        for position, (_, entry) in enumerate(sorted(numbered, key=lambda pair: (pair[0], _within(pair[1])))):
            latest = max(latest, entry.reported_at)
            placed.append(
                ((latest, entry.sent_at if latest == entry.reported_at else latest, entry.kind, position), entry)
            )
    return [entry for _, entry in sorted(placed, key=lambda pair: pair[0])]


def _within(entry: Entry) -> tuple[datetime, datetime, int, str]:
    """The order of telegrams with one serial. What mends a telegram may carry its very numbers, and comes after it."""
    return (entry.reported_at, entry.sent_at, _RANKS[entry.info_type], entry.digest)


def alive(entries: Iterable[Entry]) -> list[Entry]:
    """Those that still count, in order: 取消 takes back its kind's telegrams so far, 訂正 replaces the last of them."""
    live = list[Entry]()
    for entry in in_order(entries):
        if entry.info_type is InfoType.CANCELLATION:
            live = [other for other in live if other.kind != entry.kind]
            continue
        if entry.info_type is InfoType.CORRECTION:
            last = next((other for other in reversed(live) if other.kind == entry.kind), None)
            live = [other for other in live if other is not last]
        live.append(entry)
    return live


def standing(entries: Iterable[Entry]) -> tuple[Finding, ...]:
    """What is known of each of our areas now, worst first; level 0 where the agency has said that it is over."""
    return _standing(last_epoch(entries))


def _standing(epoch: Iterable[Entry]) -> tuple[Finding, ...]:
    known: dict[_AreaKey, Finding] = {}
    sections: dict[_AreaKey, set[str]] = {}
    for entry in alive(epoch):
        if entry.matter == "flood":
            _follow_river(entry, known, sections)
        for finding in _replaced(entry, known.values()):
            known.pop(finding.key)
        for finding in entry.findings:
            known[finding.key] = finding
            sections[finding.key] = {_section(river) for river in entry.rivers}
    return tuple(sorted(known.values(), key=lambda finding: -finding.level))


def _replaced(entry: Entry, known: Iterable[Finding]) -> list[Finding]:
    """What the entry's findings take the place of, beside what has their keys."""
    if entry.matter not in ("warning", "flood") or not entry.findings:
        return []
    grain = max(finding.grain for finding in entry.findings)
    # The city's own word replaces that of its prefecture.
    replaced = [finding for finding in known if finding.grain < grain]
    if entry.matter == "warning":
        listed = {(finding.area.code or finding.area.name) for finding in entry.findings}
        replaced += [f for f in known if f.grain >= grain and (f.area.code or f.area.name) in listed]
    return replaced


def _follow_river(entry: Entry, known: dict[_AreaKey, Finding], sections: dict[_AreaKey, set[str]]) -> None:
    """An area that a forecast of this river has named follows the river's level, listed again or not."""
    for key, finding in known.items():
        same = [river for river in entry.rivers if _section(river) in sections[key]]
        if same:
            worst = max(same, key=lambda river: river.level)
            known[key] = replace(finding, level=worst.level, label=worst.label)


def _section(river: Finding) -> str:
    return river.area.code or river.area.name


def facts(entries: Iterable[Entry]) -> tuple[Fact, ...]:
    """Everything else that is known, each line once: the latest of each kind of telegram, the latest kind last."""
    return tuple(dict.fromkeys(fact for entry in latest_of_kinds(entries) for fact in entry.facts))


def latest_of_kinds(entries: Iterable[Entry]) -> list[Entry]:
    """The latest telegram of each kind that still counts, in order."""
    latest = {entry.kind: entry for entry in alive(last_epoch(entries))}
    return [entry for entry in alive(last_epoch(entries)) if latest[entry.kind] is entry]


def pruned(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The telegrams worth remembering: those of the epoch, at most `ENTRIES_KEPT` and what they add up to."""
    epoch = last_epoch(entries)
    excess = len(epoch) - ENTRIES_KEPT
    if excess <= 0:
        return tuple(epoch)
    kept = list(epoch)
    before = _standing(kept)
    for entry in epoch[: -ENTRIES_KEPT // 2]:
        without = [other for other in kept if other is not entry]
        if _standing(without) == before:
            kept = without
        if len(kept) <= ENTRIES_KEPT:
            break
    return tuple(kept)
