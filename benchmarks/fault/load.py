"""What the officers do in a run, one after the other: each act is one command with what belongs to it.

Everything is said in the chat, as people say it. What was done is written down here; `count` holds it against what
everybody has in the end.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.fault.town import Town
from benchmarks.staff import CONFIRM, Client, Declined, Employee, Notice, Staff
from bot.clock import to_tokyo
from tests.jma.telegrams import shindo

_SENT = re.compile(r"番号は (\d+)、宛先は (\d+)人です")
_CORRECTED = re.compile(r"番号 (\d+) の訂正を送りました。宛先は (\d+)人")
_RECALLED = re.compile(r"番号 (\d+) を取り消しました")
_PLANNED = re.compile(r"番号 (\d+) を予約しました。.*いまの宛先は (\d+)人")
_REQUESTED = re.compile(r"番号 (\d+) の承認を、(\d+)人に依頼しました")
_APPROVED = re.compile(r"番号 (\d+) を承認し、送信を始めました（宛先 (\d+)人）")
_OPENED = re.compile(r"アンケート (\d+)「")
CHOICES = ("ひとつめ", "ふたつめ")
SOON = timedelta(minutes=2)
"""After which a scheduled notice is due."""


@dataclass(slots=True)
class Correction:
    """A correction of a notice under a tag of its own."""

    tag: str
    notice: Notice


@dataclass(slots=True)
class Survey:
    """An anonymous poll; `answers` are what people chose, by their id."""

    number: int
    officer: Employee
    asked: int
    answers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Taken:
    """Who had a recalled notice on the second platform when nothing of it was under way any more."""

    notice: Notice
    then: frozenset[str]


class Load(Staff):
    """Staff who do everything that there is to do. Times pass on the clock of `town`."""

    def __init__(self, client: Client, randomness: random.Random, town: Town) -> None:
        super().__init__(client, randomness)
        self.town = town
        self.done: dict[str, int] = {}
        self.corrections: list[Correction] = []
        self.surveys: list[Survey] = []
        self.telegrams: list[str] = []
        self.taken: list[Taken] = []
        self._draw = randomness
        self._recalling = asyncio.Lock()
        self._polls = itertools.count(1)
        self._acts = {
            "notice": (self._notice, 4),
            "plain notice": (self._plain, 1),
            "correction": (self._correct, 1),
            "recall": (self._recall, 2),
            "schedule": (self._schedule, 2),
            "approval": (self._approve, 1),
            "survey": (self._survey, 1),
        }

    @property
    def acts(self) -> list[str]:
        """The names of all acts."""
        return list(self._acts)

    async def act(self, officer: Employee, name: str | None = None) -> None:
        """Do something, or what `name` says, to its end."""
        if name is None:
            weights = [weight for _, weight in self._acts.values()]
            (name,) = self._draw.choices(self.acts, weights)
        await self._acts[name][0](officer)
        self.done[name] = self.done.get(name, 0) + 1

    async def answer(self, employee: Employee, message: Any) -> None:
        """Press what is asked for; a notice may have been recalled while somebody looked at it."""
        reference = message["reference"] or ""
        try:
            if reference.startswith("survey:"):
                await self._answer_survey(employee, int(reference.split(":")[1]), message)
            else:
                await super().answer(employee, message)
        except Declined:
            return

    # ----------------------------------------------------------------- acts

    def _new(self, officer: Employee, *, to_all: bool = False) -> tuple[Notice, str]:
        """A notice to come, and the words that leave one person out of it."""
        number = next(self._tags)
        left_out = None if to_all else self._draw.choice(self.people)
        recipients = frozenset(each.user_id for each in self.people if each is not left_out)
        notice = Notice(f"通し番号{number:04d}号", officer, recipients)
        self.notices.append(notice)
        return notice, f" -@{left_out.person.login}" if left_out else ""

    async def _notice(self, officer: Employee) -> None:
        await self.send_notice(officer)

    async def plain(self, officer: Employee) -> Notice:
        """A notice that is no emergency, to each by pair talk."""
        notice, words = self._new(officer)
        sent = await self.confirm(notice, f"/一斉{words} {notice.tag} 窓口の時間が変わります。", CONFIRM, _SENT)
        notice.number, notice.claimed = int(sent[1]), int(sent[2])
        return notice

    async def _plain(self, officer: Employee) -> None:
        await self.plain(officer)

    async def _correct(self, officer: Employee) -> None:
        notice = await self.plain(officer)
        notice.how = "corrected"
        correction = Correction(f"通し番号{next(self._tags):04d}号", notice)
        self.corrections.append(correction)
        draft = Notice(correction.tag, officer, notice.recipients)
        command = f"/訂正 {notice.number} {correction.tag} 窓口の時間は変わりません。"
        await self.confirm(draft, command, CONFIRM, _CORRECTED, twice=True)

    async def _recall(self, officer: Employee) -> None:
        """Send, and take it back at once, while the second platform does not work: there it is still queued."""
        async with self._recalling:
            await self.town.line_behaves("broken")
            starts = self.town.starts
            notice, words = self._new(officer)
            notice.recalled = True
            command = f"/一斉 緊急{words} {notice.tag} 橋を渡らないでください。"
            sent = await self.confirm(notice, command, CONFIRM, _SENT)
            notice.number, notice.claimed = int(sent[1]), int(sent[2])
            room = await self.talk(officer)
            asked = await self.write(officer, room, f"/取消 {notice.number}")
            shown = await self.hear(officer, room, asked, lambda each: _has(each, "取り消す"))
            await self.press(officer, shown, "取り消す", twice=True)
            await self.hear(officer, room, asked, lambda each: _RECALLED.search(each["text"] or "") is not None)
            await asyncio.sleep(1)  # what was under way has failed by now
            if self.town.starts == starts:
                seen = await self.town.on_line()
                have = frozenset(who for who, texts in seen.items() if any(notice.tag in text for text in texts))
                self.taken.append(Taken(notice, have))
            await self.town.line_behaves("well")

    async def _schedule(self, officer: Employee) -> None:
        """Reserve something, and let the time come; it is far enough away that a slow machine does not miss it."""
        notice, words = self._new(officer)
        notice.how = "scheduled"
        due = to_tokyo(datetime.now(UTC) + self.town.offset + SOON * 2)
        command = f"/予約 {due.month}月{due.day}日 {due:%H:%M}{words} {notice.tag} 庁内放送の試験です。"
        planned = await self.confirm(notice, command, "予約する", _PLANNED, twice=True)
        notice.number, notice.claimed = int(planned[1]), int(planned[2])
        self.town.pass_time(SOON * 2)

    async def _approve(self, officer: Employee) -> None:
        """A drill of one officer is approved by another one, who presses twice."""
        other = next(each for each in self.officers if each is not officer)
        notice, words = self._new(officer)
        notice.how = "approved"
        room = await self.talk(other)
        before = await self._last(other, room)
        command = f"/一斉 訓練{words} {notice.tag} 机の下に入ってください。"
        asked = await self.confirm(notice, command, "承認を依頼する", _REQUESTED, twice=True)
        notice.number = int(asked[1])

        def is_request(each: Any) -> bool:
            return notice.tag in (each["text"] or "") and _has(each, "承認する")

        request = await self.hear(other, room, before, is_request)
        while True:
            await self.press(other, request, "承認する", twice=True)
            said = await self.hear(
                other,
                room,
                request["message_id"],
                lambda each: is_request(each) or _approval_of(each, notice.number) is not None,
            )
            found = _approval_of(said, notice.number)
            if found is not None:
                notice.claimed = int(found[2])
                return
            request = said

    async def _survey(self, officer: Employee) -> None:
        title = f"通し番号{next(self._tags):04d}号"
        room = await self.talk(officer)
        command = f"/アンケート 作成 {title} | どちらがよいですか | {' | '.join(CHOICES)} | 締切 5日"
        asked = await self.write(officer, room, command)
        shown = await self.hear(
            officer, room, asked, lambda each: title in (each["text"] or "") and _has(each, "始める")
        )
        await self.press(officer, shown, "始める", twice=True)
        said = await self.hear(
            officer,
            room,
            shown["message_id"],
            lambda each: title in (each["text"] or "") and _OPENED.search(each["text"]) is not None,
        )
        found = re.search(r"アンケート (\d+)「.*対象 (\d+)名", said["text"])
        assert found is not None, said["text"]
        self.surveys.append(Survey(int(found[1]), officer, int(found[2])))

    async def _answer_survey(self, employee: Employee, number: int, message: Any) -> None:
        labels = {button["label"] for button in message["buttons"]}
        survey = next((each for each in self.surveys if each.number == number), None)
        if "回答する" in labels:
            await self.press(employee, message, "回答する", twice=self._draw.random() < 0.3)
        elif survey is not None and employee.user_id not in survey.answers and labels >= set(CHOICES):
            choice = self._draw.choice(CHOICES)
            survey.answers[employee.user_id] = choice
            await self.press(employee, message, choice, twice=self._draw.random() < 0.3)

    def drop_telegram(self) -> None:
        """An earthquake of its own, by the receiver's way: whether or not the bot is up."""
        number = len(self.telegrams) + 1
        marker = f"電文{number:04d}番"
        self.telegrams.append(marker)
        now = datetime.now(UTC) + self.town.offset
        content = shindo(
            event_id=f"{20_260_000_000_000 + number}",
            reported=to_tokyo(now).isoformat(timespec="seconds"),
            sent=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            headline=f"{marker}。強い揺れを観測しました。",
        )
        self.town.receive_telegram(f"{marker}.xml", content)

    async def _last(self, employee: Employee, room: str) -> str:
        """The id of the newest message in a room."""
        page = await self.client.call("GET", f"/v1/rooms/{room}/messages?limit=1", employee.token)
        return page["messages"][-1]["message_id"] if page["messages"] else "m0"


def _has(message: Any, label: str) -> bool:
    return any(button["label"] == label for button in message["buttons"])


def _approval_of(message: Any, number: int | None) -> re.Match[str] | None:
    found = _APPROVED.search(message["text"] or "")
    return found if found is not None and int(found[1]) == number else None
