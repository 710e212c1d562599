"""What everybody has in the end, held against what was done.

Nothing here looks into the bot: every member signs in and pages through all rooms, the second platform says what it
showed to whom, and the bot is asked by commands, as its users ask it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from benchmarks.fault.load import CHOICES, Load, Survey
from benchmarks.staff import BOT, Employee, Notice, notice_number, number_of
from benchmarks.verdict import Verdict, judge_answers, judge_conversation, judge_metrics

TWICE = "ほかのチャットにもすでに届いているかもしれません"
"""What the copy says that somebody gets because nobody knows whether the first one came."""
_AGAIN = re.compile(r"まだ読まれていないため、(?:もう一度|こちらにも)")
_LATER = re.compile(r"^【[^】]*・(?:訂正|取消)】")
_WITHDRAWN = re.compile(r"^【[^】]*・取消】")
_CORRECTS = re.compile(r"^【[^】]*・訂正】")
_STATUS = re.compile(r"既読 (\d+)／(\d+)人")

_TOLD = {
    "scheduled": r"(?:【訓練】)?予約した番号 {} を送りました",
    "approved": r"(?:【訓練】)?番号 {} を .+さんが承認しました",
}
"""What the author hears when a notice goes out later than they have pressed."""


@dataclass(slots=True)
class View:
    """What one member has: the bot's messages in the chat, the texts on the second platform, what they have read."""

    employee: Employee
    chat: list[Any]
    line: list[str]
    read: set[int] = field(default_factory=set)

    def notices(self, number: int) -> list[Any]:
        """The copies of a notice in the chat that are still to be seen."""
        return [each for each in self.chat if notice_number(each) == number and not each["deleted"]]

    def on_line(self, tag: str) -> list[str]:
        """The copies of a notice on the second platform."""
        return [text for text in self.line if tag in text and not _AGAIN.search(text) and not _LATER.match(text)]


@dataclass(slots=True)
class Night:
    """A time in which the chat was away: since when, and which notices were on their way."""

    since: datetime
    notices: list[Notice]
    second: frozenset[str]
    """Who has the second platform as their second way."""


async def count(load: Load, nights: list[Night]) -> Verdict:
    """Count everything; the processes must stand still."""
    verdict = Verdict()
    seen = await load.town.on_line()
    views = [await _view(load, employee, seen[employee.person.login]) for employee in load.people]
    for notice in load.notices:
        if notice.recalled:
            _recalled(notice, views, verdict)
        else:
            _copies(notice, views, verdict)
            await _reads(load, notice, views, verdict)
            await judge_answers(load, notice, verdict)
    _nothing_false(load, views, verdict)
    _late(load, seen, verdict)
    for night in nights:
        _moved(night, views, verdict)
    _corrections(load, views, verdict)
    _repetitions(views, verdict)
    _told_once(load, views, verdict)
    for survey in load.surveys:
        await _survey(load, survey, views, verdict)
    await judge_conversation(load, verdict)
    await judge_metrics(load.town, verdict)
    return verdict


async def _view(load: Load, employee: Employee, line: list[str]) -> View:
    session = await load.client.call(
        "POST", "/v1/login", body={"login": employee.person.login, "password": employee.person.password}
    )
    employee.token = session["token"]
    view = View(employee, [each async for each in load.everything(employee) if each["sender"] == BOT], line)
    for message in view.chat:
        number = notice_number(message)
        if number is not None and number_of(message["message_id"]) <= employee.read_up_to.get(message["room_id"], 0):
            view.read.add(number)
    return view


def _copies(notice: Notice, views: list[View], verdict: Verdict) -> None:
    """Once for each recipient, over both platforms; a second one only where it says that it may be one."""
    if notice.number is None:
        verdict.violations.append(f"Notice {notice.tag} was never sent.")
        return
    if notice.claimed != len(notice.recipients):
        verdict.violations.append(
            f"Notice {notice.number}: the bot promised it to {notice.claimed} people, not to {len(notice.recipients)}."
        )
    for view in views:
        chat, line = view.notices(notice.number), view.on_line(notice.tag)
        copies = len(chat) + len(line)
        verdict.copies += copies
        due = int(view.employee.user_id in notice.recipients)
        said = any(TWICE in text for text in (*line, *(each["text"] for each in chat)))
        if copies != due and not (due and said and len(chat) == len(line) == 1):
            verdict.violations.append(
                f"Notice {notice.number}: {view.employee.user_id} has it {copies} times ({len(chat)} in the chat)"
                f" instead of {due}."
            )


def _recalled(notice: Notice, views: list[View], verdict: Verdict) -> None:
    """In the chat it is gone; where nothing can be deleted, a word that withdraws it comes after it, and once."""
    if notice.number is None:
        verdict.violations.append(f"Notice {notice.tag} was never sent, and so never recalled.")
        return
    for view in views:
        if view.notices(notice.number):
            verdict.violations.append(f"Recalled notice {notice.number}: {view.employee.user_id} still has it.")
        mine = [text for text in view.line if notice.tag in text]
        has = [place for place, text in enumerate(mine) if not _LATER.match(text)]
        words = [place for place, text in enumerate(mine) if _WITHDRAWN.match(text)]
        if len(has) > 1 or len(words) > 1 or (has and (not words or words[0] < has[0])):
            verdict.violations.append(
                f"Recalled notice {notice.number}: {view.employee.user_id} has it {len(has)} times and"
                f" {len(words)} words that withdraw it."
            )


def _late(load: Load, seen: dict[str, list[str]], verdict: Verdict) -> None:
    """What was still queued when a notice was recalled has reached nobody afterwards."""
    for each in load.taken:
        tag = each.notice.tag
        now = {who for who, texts in seen.items() if any(tag in text and not _LATER.match(text) for text in texts)}
        if late := now - each.then:
            verdict.violations.append(f"Recalled notice {each.notice.number} reached {len(late)} people afterwards.")


def _nothing_false(load: Load, views: list[View], verdict: Verdict) -> None:
    tags = {notice.number: notice.tag for notice in load.notices}
    for view in views:
        for message in view.chat:
            number = notice_number(message)
            if number is None or message["deleted"]:
                continue
            if number not in tags or tags[number] not in message["text"]:
                verdict.violations.append(
                    f"{view.employee.person.login} has a notice {number} that nobody sent in this form."
                )


def _moved(night: Night, views: list[View], verdict: Verdict) -> None:
    """Whoever had another way got the notice there, and did not wait for the chat to come back."""
    for notice in night.notices:
        for view in views:
            if view.employee.person.login not in night.second or notice.number is None:
                continue
            for message in view.notices(notice.number):
                if datetime.fromisoformat(message["sent_at"]) > night.since and not view.on_line(notice.tag):
                    verdict.violations.append(
                        f"Notice {notice.number}: {view.employee.user_id} got it only when the chat was back."
                    )


def _corrections(load: Load, views: list[View], verdict: Verdict) -> None:
    for each in load.corrections:
        for view in views:
            said = [
                message["text"]
                for message in view.chat
                if (message["reference"] or "").startswith("correction:") and each.tag in (message["text"] or "")
            ] + [text for text in view.line if each.tag in text and _CORRECTS.match(text)]
            due = int(view.employee.user_id in each.notice.recipients)
            moved = len(said) == 2 and any(TWICE in text for text in said)
            if len(said) != due and not (due and moved):
                verdict.violations.append(
                    f"Correction {each.tag} of {each.notice.number}: {view.employee.user_id} has it {len(said)} times"
                    f" instead of {due}."
                )


def _repetitions(views: list[View], verdict: Verdict) -> None:
    """Reminders and rungs of escalation: each at most once for each person."""
    for view in views:
        references = Counter(
            reference
            for message in view.chat
            if (reference := message["reference"] or "").startswith(("reminder:", "escalation:"))
            and not (reference.startswith("escalation:") and not message["direct"])
        )
        verdict.violations += [
            f"{view.employee.user_id} has {reference} {times} times."
            for reference, times in references.items()
            if times > 1
        ]
        texts = Counter(text for text in view.line if _AGAIN.search(text))
        verdict.violations += [
            f"{view.employee.user_id} has a repetition {times} times on the second platform."
            for times in texts.values()
            if times > 1
        ]


def _told_once(load: Load, views: list[View], verdict: Verdict) -> None:
    """Who reserved or asked for approval hears once that it went out; every telegram is shown once to each officer."""
    said = {view.employee.user_id: [each["text"] or "" for each in view.chat if not each["deleted"]] for view in views}
    for notice in load.notices:
        texts = said[notice.author.user_id]
        word = _TOLD.get(notice.how)
        if word is None:
            continue
        told = sum(1 for text in texts if re.match(word.format(notice.number), text))
        if told != 1:
            verdict.violations.append(f"That notice {notice.number} went out ({notice.how}) was told {told} times.")
    for officer in load.officers:
        for marker in load.telegrams:
            shown = sum(marker in text for text in said[officer.user_id])
            if shown != 1:
                verdict.violations.append(f"The draft of {marker} was shown {shown} times to {officer.user_id}.")


async def _reads(load: Load, notice: Notice, views: list[View], verdict: Verdict) -> None:
    if notice.number is None:
        return
    did = sum(1 for view in views if view.employee.user_id in notice.recipients and notice.number in view.read)
    verdict.reads += did
    said = await load.ask(notice.author, f"/既読 {notice.number}", f"番号 {notice.number}（")
    found = _STATUS.search(said)
    if found is None or (int(found[1]), int(found[2])) != (did, len(notice.recipients)):
        verdict.violations.append(
            f"Notice {notice.number}: {did} of {len(notice.recipients)} have read it, and the bot says:"
            f" {found[0] if found else said}."
        )


async def _survey(load: Load, survey: Survey, views: list[View], verdict: Verdict) -> None:
    """Announced once to everybody; as many answers as were given, and each for what was chosen."""
    for view in views:
        shown = sum(
            1
            for message in view.chat
            if (message["reference"] or "") == f"survey:{survey.number}" and "【アンケート】" in (message["text"] or "")
        )
        if shown > 1:
            verdict.violations.append(f"Survey {survey.number} was announced {shown} times to {view.employee.user_id}.")
    closed = await load.ask(survey.officer, f"/アンケート 締切 {survey.number}", f"アンケート {survey.number}「")
    found = re.search(r"回答 (\d+)名／対象 (\d+)名", closed)
    if found is None or (int(found[1]), int(found[2])) != (len(survey.answers), survey.asked):
        verdict.violations.append(
            f"Survey {survey.number}: {len(survey.answers)} of {survey.asked} have answered; the bot says:"
            f" {found[0] if found else closed}."
        )
        return
    said = await load.ask(survey.officer, f"/アンケート 結果 {survey.number}", "【結果】")
    for choice in CHOICES:
        counted = re.search(rf"{choice}：(\d+)", said)
        given = sum(1 for each in survey.answers.values() if each == choice)
        if counted is not None and int(counted[1]) != given:  # small counts are hidden, as they must be
            verdict.violations.append(
                f"Survey {survey.number}: {given} have chosen {choice}; the bot says {counted[1]}."
            )
    verdict.answers += len(survey.answers)
