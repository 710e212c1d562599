"""From a telegram to what is done with it: a pure function of the telegram, the settings and what has been seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from broadcasts.jma.memory import Layer, Memory
from broadcasts.jma.settings import JmaSettings
from broadcasts.jma.telegram import Fact, Finding, InfoType, Reason, Status, Telegram, Unreadable, plain

Action = Literal["draft", "amend", "withdraw", "drop", "ignore", "unreadable"]


@dataclass(frozen=True)
class Change:
    """What is different for one area: `before` is None where nothing had been told, `now.level` 0 where it is over."""

    now: Finding
    before: Finding | None

    @property
    def rise(self) -> int:
        """By how many ranks it has become worse; negative if better."""
        return self.now.level - (self.before.level if self.before else 0)


@dataclass(frozen=True)
class Decision:
    """What is done with a telegram.

    `findings` are those of our areas that reach the thresholds, worst first; where none does, all of our areas'.
    `changes` are what differs from the draft that stands, worst first. `told`: that draft had been released, so people
    must be told of the change too. `all_clear`: nothing reaches the thresholds any more. `memory` is what to keep.
    """

    action: Action
    source: Telegram | Unreadable
    reason: Reason
    memory: Memory
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    facts: tuple[Fact, ...] = ()
    told: bool = False
    all_clear: bool = False


def decide(telegram: Telegram | Unreadable, settings: JmaSettings, seen: Memory) -> Decision:
    """What to do with `telegram`, given what has been `seen` of its event (`Memory()` if nothing)."""
    if telegram.status is Status.TEST:
        return Decision("drop", telegram, Reason("test"), seen)
    if isinstance(telegram, Unreadable):
        return Decision("unreadable", telegram, telegram.reason, seen)
    if telegram.kind in settings.without:
        return Decision("ignore", telegram, Reason("unwanted", {"kind": telegram.kind}), seen)
    if seen.begins_anew(telegram):
        seen = Memory()
    if seen.has_passed(telegram):
        return Decision("ignore", telegram, Reason("repeated" if seen.repeats(telegram) else "older"), seen)
    if telegram.info_type is InfoType.CANCELLATION:
        return _cancel(telegram, settings, seen)
    if telegram.content.covers:
        return _situation(telegram, settings, seen)
    return _supplement(telegram, settings, seen)


def _cancel(telegram: Telegram, settings: JmaSettings, seen: Memory) -> Decision:
    """取消 takes back what telegrams of its kind have said; what other kinds said of the event still stands."""
    marked = seen.marked(telegram)
    if seen.stage == "none":
        return Decision("withdraw", telegram, Reason("cancelled_unseen"), marked)
    rest = marked.without_layer(telegram.kind)
    if rest.layers == seen.layers:
        return Decision("ignore", telegram, Reason("cancelled_other"), marked)
    if rest.findings:
        changes = _changes(seen.basis, rest.findings, ())
        return _amend(telegram, Reason("cancelled_part"), seen, rest, changes)
    return _withdraw(telegram, Reason("cancelled"), seen, marked)


def _situation(telegram: Telegram, settings: JmaSettings, seen: Memory) -> Decision:
    """A telegram that says what holds in which area."""
    ours = _ours(telegram, settings)
    reached = tuple(finding for finding in ours if settings.reached_by(telegram.matter, finding))
    marked = seen.marked(telegram)
    after = marked.with_layer(_layer(telegram, settings, reached))
    corrects = telegram.info_type is InfoType.CORRECTION
    if seen.stage == "none":
        if not reached:
            return Decision("ignore", telegram, _why_not(ours), marked, ours)
        reason = Reason("corrected_unseen") if corrects else Reason("reached", _worst(reached))
        return Decision("draft", telegram, reason, after.drafted(), reached, facts=after.facts)
    changes = _changes(seen.basis, reached, ours)
    if not reached:
        if corrects or seen.stage == "waiting":
            return _withdraw(telegram, Reason("corrected_away" if corrects else "lifted"), seen, marked, changes)
        return Decision("amend", telegram, Reason("lifted"), marked.ended(), ours, changes, told=True, all_clear=True)
    unchanged = after.findings == seen.findings and after.facts == seen.facts and _headlines(after) == _headlines(seen)
    if unchanged and telegram.serial is None and not corrects:
        return Decision("ignore", telegram, Reason("unchanged"), marked, reached)
    if corrects:
        reason = Reason("corrected")
    else:
        worse = [change.now for change in changes if change.rise > 0]
        reason = Reason("worse", _worst(worse)) if worse else Reason("changed" if changes else "later")
    return _amend(telegram, reason, seen, after, changes)


def _supplement(telegram: Telegram, settings: JmaSettings, seen: Memory) -> Decision:
    """A telegram without areas adds to a draft what it knows (the source of an earthquake), but makes none."""
    marked = seen.marked(telegram)
    if seen.stage == "none":
        return Decision("ignore", telegram, Reason("no_areas"), marked)
    after = marked.with_layer(_layer(telegram, settings, ()))
    if after.facts == seen.facts and telegram.serial is None:
        return Decision("ignore", telegram, Reason("unchanged"), marked, seen.findings)
    return _amend(telegram, Reason("supplement"), seen, after, _changes(seen.basis, after.findings, ()))


def _amend(telegram: Telegram, reason: Reason, seen: Memory, after: Memory, changes: tuple[Change, ...]) -> Decision:
    told = seen.stage == "told"
    return Decision("amend", telegram, reason, after, after.findings, changes, after.facts, told=told)


def _withdraw(
    telegram: Telegram, reason: Reason, seen: Memory, marked: Memory, changes: tuple[Change, ...] = ()
) -> Decision:
    told = seen.stage == "told"
    return Decision("withdraw", telegram, reason, marked.ended(), seen.findings, changes, told=told, all_clear=True)


def _ours(telegram: Telegram, settings: JmaSettings) -> tuple[Finding, ...]:
    """The findings about our areas, worst first.

    Of the layers in which weather warnings and floods repeat themselves only the finest that concerns us counts: the
    city's own word, not that of the whole prefecture.
    """
    findings: Sequence[Finding] = telegram.content.findings
    if telegram.matter in ("warning", "flood"):
        cities = any("市町村等" in finding.area.table for finding in findings)
        if telegram.matter == "flood" and cities and settings.name_a_municipality:
            findings = [finding for finding in findings if finding.grain > 0]
        findings = [finding for finding in findings if settings.concerns(finding.area)]
        finest = max((finding.grain for finding in findings), default=0)
        findings = [finding for finding in findings if finding.grain == finest]
    else:
        findings = [finding for finding in findings if settings.concerns(finding.area)]
    worst: dict[tuple[str, str, str], Finding] = {}
    for finding in sorted(findings, key=_by_level):
        worst.setdefault(finding.key, finding)
    return tuple(worst.values())


def _by_level(finding: Finding) -> int:
    return -finding.level


def _layer(telegram: Telegram, settings: JmaSettings, findings: tuple[Finding, ...]) -> Layer:
    facts = (fact for fact in telegram.content.facts if fact.area is None or settings.concerns(fact.area))
    # Full-width figures come and go between telegrams; headlines are compared without them and shown as they are.
    return Layer(telegram.kind, findings, tuple(facts), plain(telegram.headline), telegram.content.covers)


def _headlines(memory: Memory) -> set[str]:
    return {layer.headline for layer in memory.layers}


def _changes(before: Sequence[Finding], now: Sequence[Finding], ours: Sequence[Finding]) -> tuple[Change, ...]:
    """What differs in level between two situations; `ours` knows what has become of those below the thresholds."""

    def differences() -> Iterator[Change]:
        old = {finding.key: finding for finding in before}
        new = {finding.key: finding for finding in now}
        for key, finding in new.items():
            if key not in old or old[key].level != finding.level:
                yield Change(finding, old.get(key))
        below = {finding.key: finding for finding in ours}
        for key in old.keys() - new.keys():
            yield Change(below.get(key, replace(old[key], level=0)), old[key])

    return tuple(sorted(differences(), key=lambda change: (-change.rise, change.now.area.code)))


def _worst(findings: Sequence[Finding]) -> dict[str, str | int]:
    worst = max(findings, key=lambda finding: finding.level)
    return {"area": worst.area.name, "label": worst.label}


def _why_not(ours: tuple[Finding, ...]) -> Reason:
    if not ours:
        return Reason("elsewhere")
    return Reason("below", _worst(ours)) if ours[0].level else Reason("calm")
