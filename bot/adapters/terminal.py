"""Type at the bot in a terminal: a pair talk with one person, without a web server or an account anywhere.

    > /ping
    pong

A line is a message. Buttons are shown as numbered lines, and a number typed alone presses that button of the latest
message that has any.
"""

from __future__ import annotations

import asyncio
import io
import secrets
import sys
import threading
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import BinaryIO, TextIO

from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Sent
from bot.clock import Clock, SystemClock
from bot.errors import MalformedPayload
from bot.events import ButtonPressed, Event, MessageReceived
from bot.messages import Button
from bot.texts import Texts

LINE_LIMIT = 100_000
"""Bytes of one line that are taken; what is longer arrives as several messages."""


class Terminal:
    """The person at the keyboard, whose id is `user`; the end of the input (Ctrl+D) ends the talk."""

    capabilities = Capabilities(buttons=99, concurrency=1)

    def __init__(
        self,
        *,
        name: str = "terminal",
        user: str = "you",
        source: BinaryIO | io.FileIO | None = None,
        screen: TextIO | None = None,
        clock: Clock | None = None,
        texts: Texts | None = None,
    ) -> None:
        self.name = name
        self._user = user
        self._source = source
        self._screen = screen
        self._clock = clock or SystemClock()
        self._texts = texts or Texts("bot")
        # Keys must differ from those of every earlier run, which the database remembers.
        self._run = secrets.token_hex(6)
        self._count = 0
        self._buttons: tuple[str, tuple[Button, ...]] = ("", ())

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Never: nobody may speak for the person at the keyboard over the web."""
        return False

    def parse(self, body: bytes) -> Sequence[Event]:
        raise MalformedPayload("The terminal takes no webhooks; type instead.")

    async def open(self) -> None:
        """Nothing to take: the keyboard is there."""

    async def close(self) -> None:
        """Nothing to give back."""

    async def listen(self, take: Callable[[Sequence[Event]], Awaitable[None]]) -> None:
        """Hand over line by line until the input ends."""
        self._write(self._texts("terminal.welcome"))
        lines: asyncio.Queue[bytes] = asyncio.Queue()
        # A thread of its own and not the loop's pool: one that waits for a key would keep the program from ending.
        reader = threading.Thread(
            target=_read_lines, args=(self._source or _keyboard(), lines, asyncio.get_running_loop()), daemon=True
        )
        reader.start()
        while line := await lines.get():
            text = line.decode("utf-8", "replace").strip()
            if text:
                await take([self._event(text)])

    def _event(self, text: str) -> Event:
        self._count += 1
        key = f"{self._run}-{self._count}"
        now = self._clock.now()
        message_id, buttons = self._buttons
        number = unicodedata.normalize("NFKC", text)
        if number.isdecimal() and len(number) <= 2 and 1 <= int(number) <= len(buttons):
            return ButtonPressed(
                adapter=self.name,
                key=key,
                conversation=self._user,
                direct=True,
                occurred_at=now,
                sender=self._user,
                message_id=message_id,
                data=buttons[int(number) - 1].data,
            )
        return MessageReceived(
            adapter=self.name,
            key=key,
            conversation=self._user,
            direct=True,
            occurred_at=now,
            sender=self._user,
            message_id=key,
            text=text,
        )

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Print each message; taking one back prints that it no longer holds."""
        return [self._show(delivery) for delivery in batch]

    def _show(self, delivery: Delivery) -> Outcome:
        message = delivery.message
        try:
            if delivery.action == "delete":
                gone = delivery.message_id or ""
                if gone == self._buttons[0]:
                    self._buttons = ("", ())
                self._write(self._texts("terminal.deleted", text=message.text))
                return Sent()
            to_the_person = delivery.address.kind == "person" and delivery.address.id == self._user
            text = message.as_plain_text()
            self._write(text if to_the_person else f"[{delivery.address.id}] {text}")
        except (OSError, ValueError) as error:  # ValueError: the stream has been closed
            return Rejected(f"The terminal is gone ({type(error).__name__}).")
        message_id = f"terminal-{delivery.key}"
        if message.buttons:
            self._buttons = (message_id, message.buttons)
        return Sent(message_id)

    def _write(self, text: str) -> None:
        screen = self._screen or sys.stdout
        screen.write(text + "\n")
        screen.flush()


def _keyboard() -> io.FileIO:
    # Unbuffered: a buffered reader holds a lock while it waits, on which the interpreter stumbles when it ends.
    return io.FileIO(sys.stdin.fileno(), closefd=False)


def _read_lines(source: BinaryIO | io.FileIO, lines: asyncio.Queue[bytes], loop: asyncio.AbstractEventLoop) -> None:
    """Pass every line on, and at last an empty one."""
    while True:
        try:
            line = source.readline(LINE_LIMIT)
        except (OSError, ValueError):
            line = b""
        try:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        except RuntimeError:  # the loop has ended; nobody listens any more
            return
        if not line:
            return
