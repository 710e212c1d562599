"""One simulated person at work: hears of messages through their application, decides, and acts through it.

Decisions depend on the seed, the person and the message's reference alone (`trial.behaviour`). What is read at a
moment is what had arrived before that moment: whether a message of the same minute comes first is the network's
whim, and must not show.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from bot.clock import Clock, to_tokyo
from trial import data
from trial.agenda import Agenda
from trial.behaviour import Behaviour, Kind
from trial.client import Message, Network
from trial.population import ADMINISTRATOR, HEADQUARTERS, Person

_PATIENCE = 2  # times that one question is answered: whoever is not understood then gives up
_URGENT_MARKS = ("【緊急", "【訓練")
_QUESTION = re.compile(r"survey:(?P<id>\d+):question:(?P<key>.+):(?P<kind>\w+)")
_SURVEY = re.compile(r"survey:(?P<id>\d+)(?P<rest>.*)")
_ANSWERED = re.compile(r"answer:(?P<id>\d+)")
_NOTICE = re.compile(r"(?P<word>broadcast|reminder|correction):(?P<id>\d+)(?::\d+)?")


class Actor:
    """A person, their application, and what they have not read yet."""

    def __init__(
        self,
        person: Person,
        *,
        behaviour: Behaviour,
        agenda: Agenda,
        clock: Clock,
        wires: Network,
        bot_id: str,
        start: date,
    ) -> None:
        self.person = person
        self.client = wires.application(person.login, person.password, self.hear)
        self.last_broadcast: str | None = None
        self.last_survey: str | None = None
        self._behaviour = behaviour
        self._agenda = agenda
        self._clock = clock
        self.bot_id = bot_id
        self._start = start
        self._unread: dict[str, list[tuple[datetime, str]]] = {}
        self._heard_in: dict[str, list[tuple[str, str]]] = {}
        self._read_broadcasts: set[str] = set()
        self._answered: set[str] = set()
        self._surveys_started: set[str] = set()
        self._attempts: Counter[str] = Counter()
        self._bot_room: str | None = None

    # --------------------------------------------------------------- actions

    async def sign_in(self) -> None:
        """The first day: sign in, look into the rooms, and read what stands there."""
        rooms = await self.client.sign_in()
        for room in rooms:
            if room["unread"] and room["last_message_id"]:
                await self.client.read(room["room_id"], room["last_message_id"])

    async def say(self, room: str, text: str) -> None:
        """Write into a room."""
        await self.client.write(room, text=text)

    async def tell_bot(self, text: str) -> None:
        """Write to the bot in pair talk."""
        if self._bot_room is None:
            self._bot_room = await self.client.pair(self.bot_id)
        await self.client.write(self._bot_room, text=text)

    async def answer(self, room: str, text: str, *, quote: str | None = None, stamp: bool = False) -> None:
        """Answer the last message in the room whose text is `quote`; nothing if it never arrived."""
        heard = [message for message, said in self._heard_in.get(room, []) if said == quote]
        if not heard:
            return
        if stamp:
            await self.client.write(room, stamp=text, quote=heard[-1])
        else:
            await self.client.write(room, text=text, quote=heard[-1])

    async def read(self, room: str, broadcast: str | None = None) -> None:
        """Read what had arrived in a room before now; for a reminder, only if its `broadcast` is unread still."""
        if broadcast is not None and broadcast in self._read_broadcasts:
            return
        now = self._clock.now()
        waiting = self._unread.get(room, [])
        seen = [message for arrived, message in waiting if arrived < now]
        if not seen:
            return
        self._unread[room] = waiting[len(seen) :]
        if broadcast is not None:
            self._read_broadcasts.add(broadcast)
        await self.client.read(room, seen[-1])

    # --------------------------------------------------------------- hearing

    def hear(self, frame: Mapping[str, Any]) -> None:
        """A frame came in over the WebSocket; only plans are made here, nothing is sent."""
        if frame["type"] == "deleted":
            self._forget(frame["room_id"], frame["message_id"])
        if frame["type"] != "message":
            return
        message: Message = frame["message"]
        if message["sender"] == self.client.user_id:
            return
        room = message["room_id"]
        self._unread.setdefault(room, []).append((self._clock.now(), message["message_id"]))
        if message["sender"] == self.bot_id:
            self._hear_bot(message)
        else:
            self._heard_in.setdefault(room, []).append((message["message_id"], message["text"] or ""))
            if not self._behaviour.has_stopped(self.person, self._clock.now()):
                self._plan(self._behaviour.next_look(self.person, self._clock.now()), partial(self.read, room))

    def _forget(self, room: str, deleted: str) -> None:
        """What was taken back before it was opened is never read."""
        self._unread[room] = [each for each in self._unread.get(room, []) if each[1] != deleted]

    def _hear_bot(self, message: Message) -> None:
        reference = message["reference"] or ""
        if notice := _NOTICE.fullmatch(reference):
            self._hear_notice(message, reference, notice)
        elif answered := _ANSWERED.fullmatch(reference):
            self._hear_answered(message, answered["id"])
        elif question := _QUESTION.fullmatch(reference):
            self._hear_question(message, reference, question["id"], question["kind"])
        elif survey := _SURVEY.fullmatch(reference):
            self._hear_invitation(message, reference, survey["id"])
        else:
            self._hear_reply(message)

    def _hear_notice(self, message: Message, reference: str, notice: re.Match[str]) -> None:
        number = notice["id"]
        if notice["word"] == "broadcast":
            self.last_broadcast = number
        elif notice["word"] == "reminder" and number in self._read_broadcasts:
            return
        kind: Kind = "notice" if notice["word"] == "broadcast" else "reminder"
        if (message["text"] or "").startswith(_URGENT_MARKS):
            kind = "urgent"
        opened = self._behaviour.reads_at(self.person, kind, reference, self._clock.now())
        if opened is None:
            return
        correction = notice["word"] == "correction"
        self._plan(opened, partial(self.read, message["room_id"], None if correction else number))
        if message["buttons"]:
            answers = self._behaviour.answers_notice_at(self.person, number, opened)
            if answers is not None:
                self._plan(answers, partial(self._answer_notice, message, number))

    async def _answer_notice(self, message: Message, number: str) -> None:
        """Press one of the buttons, once; some change their mind later."""
        if number in self._answered:
            return
        self._answered.add(number)
        buttons = {button["label"]: button["data"] for button in message["buttons"]}
        label = self._behaviour.picks(self.person, number, list(buttons))
        changes = self._behaviour.changes_answer_at(self.person, number, self._clock.now())
        if changes is not None and len(buttons) > 1:
            other = self._behaviour.picks(self.person, number, [each for each in buttons if each != label])
            self._plan(changes, partial(self.client.press, message["message_id"], buttons[other]))
        await self.client.press(message["message_id"], buttons[label])

    def _hear_answered(self, message: Message, number: str) -> None:
        """The bot says what it noted; where it offers times or reasons, many press one."""
        buttons = {button["label"]: button["data"] for button in message["buttons"]}
        if buttons and self._behaviour.refines_answer(self.person, number):
            picked = buttons[self._behaviour.picks(self.person, number, list(buttons))]
            moment = self._behaviour.answers_at(self.person, f"answer:{number}", self._clock.now())
            self._plan(moment, partial(self.client.press, message["message_id"], picked))

    def _hear_invitation(self, message: Message, reference: str, survey: str) -> None:
        """A survey's announcement or its reminder; whoever has begun needs no other."""
        reminded = survey == self.last_survey
        self.last_survey = survey
        button = _button(message, data.load("phrases")["commands"]["survey_start"])
        if button is None or survey in self._surveys_started:
            return
        key = f"{reference}:again" if reminded else reference
        opened = self._behaviour.reads_at(self.person, "notice", key, self._clock.now())
        if opened is None:
            return
        # Nobody counts who has opened an invitation; the mark comes with the next thing that is read there.
        starts = self._behaviour.starts_survey_at(self.person, key, opened, reminded=reminded)
        if starts is not None:
            self._plan(starts, partial(self._start_survey, survey, message["message_id"], button))

    async def _start_survey(self, survey: str, message_id: str, button: str) -> None:
        if survey not in self._surveys_started:
            self._surveys_started.add(survey)
            await self.client.press(message_id, button)

    def _hear_question(self, message: Message, reference: str, survey: str, kind: str) -> None:
        """Answer it in a minute or two; the mark of having read it comes with the next notice, as nobody counts it."""
        self._attempts[reference] += 1
        if self._attempts[reference] > _PATIENCE:
            return
        commands = data.load("phrases")["commands"]
        labels = [button["label"] for button in message["buttons"] if button["label"] not in commands["survey_ways"]]
        months = self._months()
        person, chooses = self.person, self._behaviour.chooses
        moment = self._behaviour.answers_at(person, reference, self._clock.now())
        room = message["room_id"]
        label: str | None = None
        text: str | None = None
        if kind == "multiple":
            # The last choice is the one that says "none of these".
            ticks = self._behaviour.ticks(person, reference, max(0, len(labels) - 1), months)
            text = " ".join(str(place + 1) for place in ticks) or str(max(1, len(labels)))
        elif kind == "text":
            text = self._behaviour.writes(person, reference, months)
            if text is None:
                label = commands["survey_blank"]
        elif labels:
            label = labels[chooses(person, reference, len(labels), months, best_first=kind == "choice")]
        else:
            text = str(1 + chooses(person, reference, 5, months, best_first=False))
        pressed = None if label is None else _button(message, label)
        if pressed is not None:
            self._plan(moment, partial(self.client.press, message["message_id"], pressed))
        else:
            self._plan(moment, partial(self.say, room, text or "なし"))

    def _hear_reply(self, message: Message) -> None:
        """Who sees the preview of a notice or a survey sends it; everybody reads what the bot says to them."""
        commands = data.load("phrases")["commands"]
        labels = [commands[f"{what}confirm"] for what in ("", "recall_", "survey_")]
        confirm = next(filter(None, (_button(message, label) for label in labels)), None)
        if confirm is not None and {HEADQUARTERS, ADMINISTRATOR}.intersection(self.person.roles):
            press = partial(self.client.press, message["message_id"], confirm)
            self._plan(self._behaviour.answers_at(self.person, "confirm", self._clock.now()), press)
        if not (message["reference"] or "").startswith("survey:"):  # a word of thanks; marked with the next notice
            self._plan(self._behaviour.grain(self._clock.now()), partial(self.read, message["room_id"]))

    def _plan(self, moment: datetime, action: Any) -> None:
        self._agenda.put(moment, action)

    def _months(self) -> int:
        today = to_tokyo(self._clock.now()).date()
        return (today.year - self._start.year) * 12 + today.month - self._start.month


def _button(message: Message, label: str) -> str | None:
    """The data behind a button's label, or None if there is no such button."""
    return next((button["data"] for button in message["buttons"] if button["label"] == label), None)
