"""The staff of the demo, played from outside over the chat service's API for people.

Whatever they do, they do again until it is answered: the demo is killed under their hands. What each has done is
written down here, so that in the end it can be held against what the bot has counted.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
import orjson

from trial.population import HEADQUARTERS, Person

BOT = "b1"
READERS = 4
"""Members who look at their chat at the same time."""
ANSWERED_WITHIN = 90.0
"""Seconds within which a call, or the bot's answer to a command, must come, over all restarts."""
CONFIRM = "送信する"
_SENT = re.compile(r"番号は (\d+)、宛先は (\d+)人です")
_NOTICE = re.compile(r"broadcast:(\d+)")
QUESTIONS = ("", "安否", "参集")
"""What notices ask, in turn; nothing, are you safe, can you come."""


class Unanswered(Exception):
    """Nobody answered in time, or the service declined what it should have taken."""


class Declined(Unanswered):
    """The service declined a call; again it would do the same."""


class Client:
    """Calls to the chat service that are made again, under the same idempotency key, until they are answered."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys = itertools.count(1)
        self.calls = 0
        self.repeats = 0

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=32), timeout=aiohttp.ClientTimeout(total=15)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, token: str = "", body: object = None, *, twice: bool = False) -> Any:
        """One call, its answer's JSON or None; with `twice` it is sent once more after it was answered."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"outside-{next(self._keys)}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else orjson.dumps(body)
        deadline = asyncio.get_running_loop().time() + ANSWERED_WITHIN
        self.calls += 1
        while asyncio.get_running_loop().time() < deadline:
            try:
                async with self._session.request(method, self._url + path, data=data, headers=headers) as response:
                    answer = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError):
                answer, status = b"", 0
            else:
                status = response.status
            if 200 <= status < 300:
                if not twice:
                    return orjson.loads(answer) if answer else None
                twice = False
                continue
            if 400 <= status < 500 and status != 429:
                raise Declined(f"{method} {path} was answered {status}: {answer.decode('utf-8', 'replace')[:200]}")
            self.repeats += 1
            await asyncio.sleep(0.1)
        raise Unanswered(f"{method} {path} was not answered within {ANSWERED_WITHIN:.0f} s.")


@dataclass(slots=True)
class Employee:
    """One member of staff and what they have done; `reads` is false for those who look at nothing until the end."""

    person: Person
    token: str
    user_id: str
    reads: bool
    read_up_to: dict[str, int] = field(default_factory=dict)  # room: number of the last message marked as read
    answers: dict[int, list[str]] = field(default_factory=dict)  # notice: labels of the buttons, as they were pressed

    @property
    def is_officer(self) -> bool:
        return HEADQUARTERS in self.person.roles


@dataclass(slots=True)
class Notice:
    """One notice on its way; `pressed_at` and `everywhere_at` are moments of the loop's clock."""

    tag: str
    author: Employee
    recipients: frozenset[str]
    question: str = ""
    pressed_at: float | None = None
    number: int | None = None
    claimed: int = 0
    previews: int = 0
    everywhere_at: float | None = None
    how: Literal["at once", "corrected", "scheduled", "approved"] = "at once"
    recalled: bool = False

    @property
    def under_way(self) -> bool:
        return self.pressed_at is not None and self.everywhere_at is None


class Staff:
    """Everybody, and what they do while the demo is being killed."""

    def __init__(self, client: Client, random: random.Random) -> None:
        self.client = client
        self.people: list[Employee] = []
        self.notices: list[Notice] = []
        self._random = random
        self._tags = itertools.count(1)

    async def sign_in(self, people: Sequence[Person], share_of_readers: float) -> None:
        """Everybody signs in once; a session outlives the service's restarts."""
        for person in people:
            session = await self.client.call(
                "POST", "/v1/login", body={"login": person.login, "password": person.password}
            )
            reads = self._random.random() < share_of_readers
            self.people.append(Employee(person, session["token"], session["user_id"], reads))

    @property
    def officers(self) -> list[Employee]:
        return [each for each in self.people if each.is_officer]

    # ------------------------------------------------------------- officers

    async def send_notice(self, officer: Employee) -> Notice:
        """Write `/一斉 緊急 …`, wait for the preview, press 送信する, and wait until the bot says that it is sent.

        Every other notice leaves one person out: it then goes to no room but to each by pair talk. Two in three ask.
        """
        number = next(self._tags)
        tag = f"通し番号{number:04d}号"
        left_out = self._random.choice(self.people) if number % 2 else None
        recipients = frozenset(each.user_id for each in self.people if each is not left_out)
        notice = Notice(tag, officer, recipients, QUESTIONS[number % len(QUESTIONS)])
        self.notices.append(notice)
        words = f"/一斉 緊急 {notice.question}" + (f" -@{left_out.person.login}" if left_out else "")
        command = f"{words} {tag} 堤防が危険です。高い所へ避難してください。"
        sent = await self.confirm(notice, command, CONFIRM, _SENT, twice=bool(number % 3))
        notice.number, notice.claimed = int(sent[1]), int(sent[2])
        return notice

    async def confirm(
        self, notice: Notice, command: str, label: str, done: re.Pattern[str], *, twice: bool = False
    ) -> re.Match[str]:
        """Write a command, wait for the preview of the notice's tag, press a button, and wait until it is `done`."""
        officer, tag = notice.author, notice.tag
        room = await self.talk(officer)
        asked = await self.write(officer, room, command)
        preview = await self.hear(officer, room, asked, lambda each: _is_preview(each, tag, label))
        notice.previews += 1
        while True:
            notice.pressed_at = asyncio.get_running_loop().time()
            await self.press(officer, preview, label, twice=twice)
            answer = await self.hear(
                officer,
                room,
                preview["message_id"],
                lambda each: done.search(each["text"] or "") is not None or _is_preview(each, tag, label),
            )
            if found := done.search(answer["text"]):
                return found
            # The audience had changed, so the bot asks again.
            preview = answer
            notice.previews += 1

    async def press(self, employee: Employee, message: Any, label: str, *, twice: bool = False) -> None:
        """Press the button of a message that has this label."""
        (button,) = [each for each in message["buttons"] if each["label"] == label]
        path = f"/v1/messages/{message['message_id']}/buttons"
        await self.client.call("POST", path, employee.token, {"data": button["data"]}, twice=twice)

    async def ask(self, officer: Employee, command: str, pattern: str) -> str:
        """The bot's first answer to a command in which the pattern is found."""
        room = await self.talk(officer)
        asked = await self.write(officer, room, command)
        said = await self.hear(officer, room, asked, lambda each: re.search(pattern, each["text"] or "") is not None)
        return str(said["text"])

    async def talk(self, employee: Employee) -> str:
        """The pair talk with the bot."""
        return str((await self.client.call("POST", "/v1/pairs", employee.token, {"user_id": BOT}))["room_id"])

    async def write(self, employee: Employee, room: str, text: str) -> str:
        """Write a message; its id."""
        sent = await self.client.call("POST", f"/v1/rooms/{room}/messages", employee.token, {"text": text})
        return str(sent["message_id"])

    async def hear(self, employee: Employee, room: str, after: str, fits: Any) -> Any:
        """The bot's first message after `after` that `fits`, notices and reminders aside."""
        deadline = asyncio.get_running_loop().time() + ANSWERED_WITHIN
        while asyncio.get_running_loop().time() < deadline:
            page = await self.client.call("GET", f"/v1/rooms/{room}/messages?limit=100", employee.token)
            for each in page["messages"]:
                is_later = number_of(each["message_id"]) > number_of(after)
                if is_later and each["sender"] == BOT and each["reference"] is None and fits(each):
                    return each
            await asyncio.sleep(0.1)
        raise Unanswered(f"{employee.person.login} was not answered by the bot within {ANSWERED_WITHIN:.0f} s.")

    # -------------------------------------------------------------- readers

    async def look_about(self, ending: asyncio.Event) -> None:
        """Members look at their chat one after the other, in no order, until `ending` is set."""
        readers = [each for each in self.people if each.reads]
        while not ending.is_set():
            self._random.shuffle(readers)
            queue = iter(list(readers))

            async def work(queue: Any = queue) -> None:
                for employee in queue:
                    if ending.is_set():
                        return
                    await self.look(employee)
                    await asyncio.sleep(self._random.uniform(0, 0.1))

            await asyncio.gather(*(work() for _ in range(READERS)))

    async def look(self, employee: Employee) -> None:
        """One member reads what is new, and answers what it asks."""
        rooms = (await self.client.call("GET", "/v1/rooms", employee.token))["rooms"]
        for room in rooms:
            if not room["unread"]:
                continue
            path = f"/v1/rooms/{room['room_id']}"
            page = (await self.client.call("GET", f"{path}/messages?limit=200", employee.token))["messages"]
            last = page[-1]["message_id"]
            await self.client.call(
                "POST", f"{path}/read", employee.token, {"message_id": last}, twice=self._random.random() < 0.2
            )
            before = employee.read_up_to.get(room["room_id"], 0)
            employee.read_up_to[room["room_id"]] = number_of(last)
            for message in page:
                if message["buttons"] and number_of(message["message_id"]) > before:
                    await self.answer(employee, message)

    async def answer(self, employee: Employee, message: Any) -> None:
        """Press what a message asks for, if it is a notice."""
        number = notice_number(message)
        if number is not None:
            await self.respond(employee, number, message)

    async def respond(self, employee: Employee, number: int, message: Any) -> None:
        """Answer a notice's question: not at all, once, or more than once; and some calls are made twice."""
        for _ in range(self._random.choice((0, 1, 1, 1, 2, 3))):
            button = self._random.choice(message["buttons"])
            path = f"/v1/messages/{message['message_id']}/buttons"
            await self.client.call(
                "POST", path, employee.token, {"data": button["data"]}, twice=self._random.random() < 0.3
            )
            employee.answers.setdefault(number, []).append(button["label"])

    async def everything(self, employee: Employee) -> AsyncIterator[Any]:
        """Every message that a member sees, room by room, page by page."""
        for room in (await self.client.call("GET", "/v1/rooms", employee.token))["rooms"]:
            before = ""
            while True:
                path = f"/v1/rooms/{room['room_id']}/messages?limit=200{before}"
                page = await self.client.call("GET", path, employee.token)
                for message in page["messages"]:
                    yield message
                if page["next_before"] is None:
                    break
                before = f"&before={page['next_before']}"


def number_of(message_id: str) -> int:
    """The number in an id such as m12; ids grow with time."""
    return int(message_id[1:])


def notice_number(message: Any) -> int | None:
    """The number of the notice that a message is; None for reminders and all else."""
    found = _NOTICE.fullmatch(message["reference"] or "")
    return None if found is None else int(found[1])


def _is_preview(message: Any, tag: str, label: str) -> bool:
    return tag in (message["text"] or "") and any(button["label"] == label for button in message["buttons"])
