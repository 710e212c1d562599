"""What is kept of an event between its telegrams, and where its draft stands."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from broadcasts.jma import chain
from broadcasts.jma.chain import Entry
from broadcasts.jma.telegram import Fact, Finding, InfoType, Telegram

Stage = Literal["none", "waiting", "told"]
"""Where the event's draft stands: there is none, it waits (an officer may have it), or people have been sent one."""


@dataclass(frozen=True)
class Memory:
    """One event: its telegrams so far and where the draft stands.

    `findings` is what the latest draft says, `told` what people have been told of, once a notice has gone out; `taken`
    is what the draft says that an officer has made a notice of and not sent yet. Telegrams up to `horizon` belong to an
    earlier event under the same EventID.
    """

    entries: tuple[Entry, ...] = ()
    horizon: datetime | None = None
    stage: Stage = "none"
    findings: tuple[Finding, ...] = ()
    told: tuple[Finding, ...] = ()
    taken: tuple[Finding, ...] = ()

    @property
    def standing(self) -> tuple[Finding, ...]:
        """What the agency's telegrams say of our areas now, worst first; level 0 where it is over."""
        return chain.standing(self.entries)

    @property
    def basis(self) -> tuple[Finding, ...]:
        """What the next draft is compared with: what people know or, before that, what the waiting draft says."""
        return self.told if self.stage == "told" else self.findings

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Everything else that is known, each line once, the latest kind of telegram last."""
        return chain.facts(self.entries)

    @property
    def headlines(self) -> frozenset[str]:
        """The headlines of the latest telegram of each kind."""
        return frozenset(entry.headline for entry in chain.latest_of_kinds(self.entries))

    def repeats(self, telegram: Telegram) -> bool:
        """Whether `telegram` has been seen, byte for byte."""
        return any(entry.digest == telegram.digest for entry in self.entries)

    def precedes(self, entry: Entry) -> bool:
        """Whether `entry` is of an event that is long over."""
        return self.horizon is not None and entry.reported_at <= self.horizon

    def with_entry(self, entry: Entry) -> Memory:
        """The memory once `entry` is known too, wherever in the series it belongs."""
        everything = (*self.entries, entry)
        kept = chain.pruned(everything)
        epoch = chain.last_epoch(everything)
        past = [other.reported_at for other in everything if other not in epoch]
        horizon = max([*past, *([self.horizon] if self.horizon else [])], default=None)
        return replace(self, entries=kept, horizon=horizon)

    def superseded(self, entry: Entry) -> bool:
        """Whether something later than `entry` is known: of its kind or, for an issue, of any that states areas."""
        if entry not in self.entries or entry not in chain.last_epoch(self.entries):
            return True
        order = chain.in_order(chain.last_epoch(self.entries))
        later = order[order.index(entry) + 1 :]
        if any(other.kind == entry.kind for other in later):
            return True
        others = (other for other in later if other.covers and other.reported_at > entry.reported_at)
        return entry.info_type is InfoType.ISSUE and any(True for _ in others)

    def said(self, findings: tuple[Finding, ...]) -> Memory:
        """The same event once the draft says `findings`."""
        return replace(self, findings=findings)

    def ended(self) -> Memory:
        """The same event with no draft; what was said is forgotten, the telegrams are not."""
        return Memory(self.entries, self.horizon)

    def drafted(self) -> Memory:
        return replace(self, stage="waiting")

    def released(self) -> Memory:
        """The same event once its waiting draft has been handed on: nobody has been told by that."""
        return replace(self, taken=self.findings)

    def sent(self) -> Memory:
        """The same event once the notice of the released draft has gone out. An event that has ended stays so."""
        return replace(self, stage="told", told=self.taken, taken=()) if self.taken else self

    def dismissed(self) -> Memory:
        """The same event once its waiting draft has been put aside: what reaches the thresholds next is a new draft.

        People who were told of it earlier still know what they were told.
        """
        return replace(self, stage="told" if self.told else "none")

    def thrown_away(self) -> Memory:
        """The same event once the notice of the released draft has been thrown away."""
        return replace(self, taken=())


def upgraded(stored: str) -> dict[str, Any]:
    """The JSON of a memory as versions before December 2026 kept it (marks and layers) in today's shape."""
    found: dict[str, Any] = json.loads(stored)
    marks = found.pop("marks", None)
    if marks is None:
        return found
    layers = {layer["kind"]: layer for layer in found.pop("layers", [])}
    matters = {"VXSE": "earthquake", "VTSE": "tsunami", "VXWW": "landslide", "VXKO": "flood"}
    entries = list[dict[str, Any]]()
    for kind, mark in marks.items():
        layer = layers.get(kind, {"findings": [], "facts": [], "headline": "", "covers": False})
        entries.append(
            {**mark, "kind": kind, "matter": matters.get(kind[:4], "warning"), "info_type": InfoType.ISSUE.value}
            | {name: layer[name] for name in ("findings", "facts", "headline", "covers")}
        )
    covering = [layer["findings"] for layer in layers.values() if layer["covers"]]
    return {**found, "entries": entries, "findings": covering[-1] if covering else []}
