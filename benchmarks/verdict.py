"""What the members see in the end, held against what was sent and what the bot says.

Nothing here looks into the bot: every member signs in, pages through all rooms, and counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.staff import BOT, CONFIRM, Employee, Notice, Staff, notice_number, number_of

_STATUS = re.compile(r"既読 (\d+)／(\d+)人")
_ANSWERED = re.compile(r"回答 (\d+)／(\d+)人")
_CHOICE = re.compile(r"^(\S+) (\d+)人（[\d.]+%(?:、最初の回答 (\d+)人)?）$", re.MULTILINE)
"""A choice as the bot counts it; how many chose it at first is said only where that is another number."""


class Counting(Protocol):
    """Whoever knows what the bot counts."""

    async def metrics(self) -> dict[str, float]:
        """By names such as `kairanban_deliveries{adapter="logochat",state="sent"}`."""


@dataclass(slots=True)
class Verdict:
    """What was counted, and a sentence for everything that is not as it must be."""

    copies: int = 0
    reads: int = 0
    answers: int = 0
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Seen:
    """What one member sees of the notices: copies by number, and the numbers that they have read."""

    copies: Counter[int]
    read: set[int]


async def judge(staff: Staff, demo: Counting) -> Verdict:
    """Count everything from the members' view; the demo must stand still."""
    verdict = Verdict()
    by_number = {notice.number: notice for notice in staff.notices if notice.number is not None}
    seen = {employee.user_id: await _see(staff, employee, by_number, verdict) for employee in staff.people}
    for notice in staff.notices:
        _judge_copies(notice, seen, verdict)
        await _judge_reads(staff, notice, seen, verdict)
        await judge_answers(staff, notice, verdict)
    await judge_conversation(staff, verdict)
    await judge_metrics(demo, verdict)
    return verdict


async def _see(staff: Staff, employee: Employee, notices: dict[int, Notice], verdict: Verdict) -> _Seen:
    session = await staff.client.call(
        "POST", "/v1/login", body={"login": employee.person.login, "password": employee.person.password}
    )
    employee.token = session["token"]
    seen = _Seen(Counter(), set())
    async for message in staff.everything(employee):
        number = notice_number(message)
        if number is None:
            continue
        seen.copies[number] += 1
        if number_of(message["message_id"]) <= employee.read_up_to.get(message["room_id"], 0):
            seen.read.add(number)
        if number not in notices or notices[number].tag not in message["text"]:
            verdict.violations.append(f"{employee.person.login} has a notice {number} that nobody sent in this form.")
    return seen


def _judge_copies(notice: Notice, seen: dict[str, _Seen], verdict: Verdict) -> None:
    if notice.number is None:
        verdict.violations.append(f"Notice {notice.tag} was never sent.")
        return
    if notice.claimed != len(notice.recipients):
        verdict.violations.append(
            f"Notice {notice.number}: the bot promised it to {notice.claimed} people, not to {len(notice.recipients)}."
        )
    for user_id, view in seen.items():
        copies, due = view.copies[notice.number], int(user_id in notice.recipients)
        verdict.copies += copies
        if copies != due:
            verdict.violations.append(f"Notice {notice.number}: {user_id} has it {copies} times instead of {due}.")


async def _judge_reads(staff: Staff, notice: Notice, seen: dict[str, _Seen], verdict: Verdict) -> None:
    if notice.number is None:
        return
    did = sum(1 for user_id in notice.recipients if notice.number in seen[user_id].read)
    verdict.reads += did
    said = await staff.ask(notice.author, f"/既読 {notice.number}", f"番号 {notice.number}（")
    found = _STATUS.search(said)
    if found is None or (int(found[1]), int(found[2])) != (did, len(notice.recipients)):
        verdict.violations.append(
            f"Notice {notice.number}: {did} of {len(notice.recipients)} have read it, and the bot says:"
            f" {found[0] if found else said}."
        )


async def judge_answers(staff: Staff, notice: Notice, verdict: Verdict) -> None:
    """How many have answered, and by choice how many at first and how many in the end, as each remembers it."""
    if notice.number is None or not notice.question:
        return
    given = [employee.answers[notice.number] for employee in staff.people if notice.number in employee.answers]
    verdict.answers += len(given)
    first, latest = Counter(each[0] for each in given), Counter(each[-1] for each in given)
    said = await staff.ask(notice.author, f"/{notice.question} {notice.number}", f"番号 {notice.number}（")
    total = _ANSWERED.search(said)
    counted = {label: (int(late), int(early or late)) for label, late, early in _CHOICE.findall(said)}
    if (
        total is None
        or (int(total[1]), int(total[2])) != (len(given), len(notice.recipients))
        or any(counted.get(label) != (latest[label], first[label]) for label in {*first, *latest, *counted})
    ):
        verdict.violations.append(
            f"Notice {notice.number}: {len(given)} have answered {dict(latest)}, at first {dict(first)}; the bot says:"
            f" {total[0] if total else said}, {counted}."
        )


async def judge_conversation(staff: Staff, verdict: Verdict) -> None:
    """Each command has one preview, each press one answer, however often the calls were repeated."""
    for officer in staff.officers:
        said = [each async for each in staff.everything(officer) if each["sender"] == BOT]
        for notice in staff.notices:
            if notice.author is not officer or notice.how != "at once":
                continue
            previews = [
                each
                for each in said
                if notice.tag in (each["text"] or "") and any(button["label"] == CONFIRM for button in each["buttons"])
            ]
            answers = [each for each in said if f"番号は {notice.number}、" in (each["text"] or "")]
            if len(previews) != notice.previews:
                verdict.violations.append(f"Notice {notice.tag} was previewed {len(previews)} times.")
            if len(answers) != 1:
                verdict.violations.append(f"Sending notice {notice.tag} was answered {len(answers)} times.")


async def judge_metrics(demo: Counting, verdict: Verdict) -> None:
    """Nothing is left to do, and nothing was given up."""
    counts = await demo.metrics()
    for name in sorted(unfinished(counts) | {name for name in counts if counts[name] and _is_lost(name)}):
        verdict.violations.append(f"The bot's own count: {name} is {counts[name]:.0f} instead of 0.")


def unfinished(counts: Mapping[str, float]) -> set[str]:
    """The names of what the bot has still to do, by its `/metrics`."""
    return {name for name, count in counts.items() if count and _is_waiting(name)}


def _is_waiting(name: str) -> bool:
    return name == "kairanban_inbox_backlog" or 'state="queued"' in name or 'state="sending"' in name


def _is_lost(name: str) -> bool:
    return name == "kairanban_inbox_failed" or 'state="dead"' in name or 'outcome="failed"' in name
