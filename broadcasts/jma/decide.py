"""From a telegram to what is done with it: a pure function of the telegram, the settings and what has been seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from broadcasts.jma.chain import Entry, last_epoch
from broadcasts.jma.memory import Memory
from broadcasts.jma.settings import JmaSettings
from broadcasts.jma.telegram import Fact, Finding, InfoType, Reason, Status, Telegram, Unreadable

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
    must be told of the change too. `all_clear`: nothing is in force any more. `weakened`: something is, below the
    thresholds. `memory` is what to keep.
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
    weakened: bool = False


def decide(telegram: Telegram | Unreadable, settings: JmaSettings, seen: Memory) -> Decision:
    """What to do with `telegram`, given what has been `seen` of its event (`Memory()` if nothing)."""
    if telegram.status is Status.TEST:
        return Decision("drop", telegram, Reason("test"), seen)
    if isinstance(telegram, Unreadable):
        return Decision("unreadable", telegram, telegram.reason, seen)
    if telegram.kind in settings.without:
        return Decision("ignore", telegram, Reason("unwanted", {"kind": telegram.kind}), seen)
    if seen.repeats(telegram):
        return Decision("ignore", telegram, Reason("repeated"), seen)
    ours = _ours(telegram, settings)
    entry = Entry.of(telegram, ours, _facts(telegram, settings))
    if seen.precedes(entry) or any(other.says_the_same(entry) for other in seen.entries if other.serial is not None):
        return Decision("ignore", telegram, Reason("older"), seen)
    step = _Step(telegram, settings, entry, ours, seen, seen.with_entry(entry))
    if step.comes_late:
        # It may still matter: what came after it can be taken back.
        return Decision("ignore", telegram, Reason("older"), step.after)
    if telegram.info_type is InfoType.CANCELLATION:
        return _cancel(step)
    if telegram.content.covers:
        return _situation(step)
    return _supplement(step)


class _Step:
    """One telegram on its way: what was known before it, what is known with it."""

    def __init__(
        self,
        telegram: Telegram,
        settings: JmaSettings,
        entry: Entry,
        ours: tuple[Finding, ...],
        seen: Memory,
        after: Memory,
    ) -> None:
        self.telegram = telegram
        self.settings = settings
        self.ours = ours
        self.standing = after.standing
        self.new_event = bool(seen.entries) and seen.entries[-1] not in last_epoch(after.entries)
        # Another event under an EventID that has been used before: nobody has been told of this one.
        self.seen = Memory() if self.new_event else seen
        self.after = replace(after, stage="none", findings=(), told=(), taken=()) if self.new_event else after
        self.comes_late = after.superseded(entry) and self.standing == seen.standing
        self.reached = self.reaching(self.standing)
        self.corrects = telegram.info_type is InfoType.CORRECTION

    def reaching(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """Those of `findings` that reach the thresholds."""
        return tuple(f for f in findings if self.settings.reached_by(self.telegram.matter, f))

    @property
    def says_nothing_new(self) -> bool:
        """Whether it has no serial of its own that officers could miss: it is blank, or has been seen before."""
        serial, kind = self.telegram.serial, self.telegram.kind
        return serial is None or any(e.kind == kind and e.serial == serial for e in self.seen.entries)

    @property
    def in_force(self) -> tuple[Finding, ...]:
        """What the agency has not lifted, at whatever level."""
        return tuple(finding for finding in self.standing if finding.level > 0)


def _cancel(step: _Step) -> Decision:
    """取消 takes back what telegrams of its kind have said; what other kinds said of the event still stands."""
    telegram, seen, after = step.telegram, step.seen, step.after
    if seen.stage == "none":
        return Decision("withdraw", telegram, Reason("cancelled_unseen"), after)
    if after.standing == seen.standing and after.facts == seen.facts:
        return Decision("ignore", telegram, Reason("cancelled_other"), after)
    if step.reached:
        return _amend(step, Reason("cancelled_part"), _changes(seen.basis, step.reached, step.standing))
    if step.in_force:
        return _weakened(step)
    return _withdraw(step, Reason("cancelled"))


def _situation(step: _Step) -> Decision:
    """A telegram that says what holds in which area."""
    telegram, seen, after, reached = step.telegram, step.seen, step.after, step.reached
    if seen.stage == "none":
        if not reached or (seen.standing == step.standing and not step.ours):
            return Decision("ignore", telegram, _why_not(step.ours, step.standing), after, step.ours)
        reason = Reason("corrected_unseen") if step.corrects else Reason("reached", _worst(reached))
        return _draft(step, reason)
    if not reached:
        return _weakened(step) if step.in_force else _over(step)
    if not step.reaching(seen.standing) and seen.stage == "told":
        return _draft(step, Reason("reached", _worst(reached)))
    changes = _changes(seen.basis, reached, step.standing)
    unchanged = set(reached) == set(seen.findings) and after.facts == seen.facts and after.headlines == seen.headlines
    if unchanged and step.says_nothing_new and not step.corrects:
        return Decision("ignore", telegram, Reason("unchanged"), after, reached)
    if step.corrects:
        reason = Reason("corrected")
    else:
        worse = [change.now for change in changes if change.rise > 0]
        reason = Reason("worse", _worst(worse)) if worse else Reason("changed" if changes else "later")
    return _amend(step, reason, changes)


def _supplement(step: _Step) -> Decision:
    """A telegram without areas adds to a draft what it knows (the source of an earthquake), but makes none."""
    telegram, seen, after = step.telegram, step.seen, step.after
    if seen.stage == "none":
        return Decision("ignore", telegram, Reason("no_areas"), after)
    if after.facts == seen.facts and telegram.serial is None:
        return Decision("ignore", telegram, Reason("unchanged"), after, seen.findings)
    if not step.reached:
        return Decision("ignore", telegram, Reason("unchanged"), after, step.in_force)
    return _amend(step, Reason("supplement"), _changes(seen.basis, step.reached, step.standing))


def _draft(step: _Step, reason: Reason) -> Decision:
    after = replace(step.after.said(step.reached), told=(), taken=()).drafted()
    return Decision("draft", step.telegram, reason, after, step.reached, facts=after.facts)


def _amend(step: _Step, reason: Reason, changes: tuple[Change, ...]) -> Decision:
    after = step.after.said(step.reached)
    told = step.seen.stage == "told"
    return Decision("amend", step.telegram, reason, after, step.reached, changes, after.facts, told=told)


def _weakened(step: _Step) -> Decision:
    """Below the city's thresholds, but the agency has lifted nothing: never an all-clear."""
    seen, after = step.seen, step.after
    basis = seen.basis or seen.findings
    changes = _changes(basis, step.reached, step.standing)
    reason = Reason("corrected_away" if step.corrects else "weakened")
    # Nobody has been told: a draft below the thresholds would never have been made.
    if seen.stage == "waiting":
        ended = after.ended()
        return Decision("withdraw", step.telegram, reason, ended, step.in_force, changes, after.facts, weakened=True)
    if set(step.in_force) == set(seen.findings) and not step.corrects:
        return Decision("ignore", step.telegram, Reason("unchanged"), after, step.in_force)
    after = after.said(step.in_force)
    return Decision(
        "amend", step.telegram, reason, after, step.in_force, changes, after.facts, told=True, weakened=True
    )


def _over(step: _Step) -> Decision:
    """Nothing is in force in any of our areas."""
    changes = _changes(step.seen.basis, (), step.standing)
    if step.corrects or step.seen.stage == "waiting":
        return _withdraw(step, Reason("corrected_away" if step.corrects else "lifted"), changes)
    ended = step.after.ended()
    return Decision("amend", step.telegram, Reason("lifted"), ended, step.standing, changes, told=True, all_clear=True)


def _withdraw(step: _Step, reason: Reason, changes: tuple[Change, ...] = ()) -> Decision:
    seen = step.seen
    told = seen.stage == "told"
    return Decision(
        "withdraw", step.telegram, reason, step.after.ended(), seen.findings, changes, told=told, all_clear=True
    )


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


def _facts(telegram: Telegram, settings: JmaSettings) -> tuple[Fact, ...]:
    return tuple(f for f in telegram.content.facts if f.area is None or settings.concerns(f.area))


def _changes(before: Sequence[Finding], now: Sequence[Finding], standing: Sequence[Finding]) -> tuple[Change, ...]:
    """What differs in level between two situations; `standing` knows what has become of those below the thresholds."""

    def differences() -> Iterator[Change]:
        old = {finding.key: finding for finding in before}
        new = {finding.key: finding for finding in now}
        for key, finding in new.items():
            if key not in old or old[key].level != finding.level:
                yield Change(finding, old.get(key))
        below = {finding.key: finding for finding in standing}
        for key in old.keys() - new.keys():
            change = Change(below.get(key, replace(old[key], level=0)), old[key])
            if change.rise:
                yield change

    return tuple(sorted(differences(), key=lambda change: (-change.rise, change.now.area.code)))


def _worst(findings: Sequence[Finding]) -> dict[str, str | int]:
    worst = max(findings, key=lambda finding: finding.level)
    return {"area": worst.area.name, "label": worst.label}


def _why_not(ours: tuple[Finding, ...], standing: tuple[Finding, ...]) -> Reason:
    if not ours and not standing:
        return Reason("elsewhere")
    worst = max((*ours, *standing), key=lambda finding: finding.level)
    return Reason("below", _worst((worst,))) if worst.level else Reason("calm")
