"""What the bot says, and to whom, before any platform gives it its own shape."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Priority(IntEnum):
    """What overtakes what in the outbox; smaller goes first."""

    EMERGENCY = 0
    REPLY = 10
    NOTICE = 20
    REMINDER = 30


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes: one person's pair talk with the bot, or a room; `id` is the platform's."""

    adapter: str
    kind: Literal["person", "room"]
    id: str


Typed = Literal["choices", "labels", "own"]
"""What somebody may type instead of pressing a button: see `Message`."""


class Button(BaseModel):
    """One choice under a message; `data` comes back in `ButtonPressed` when somebody presses it.

    Or types it: its label in any usual form (送信, 送信します), its number, one of the words `spoken`; and はい or
    いいえ where the button `means` that.
    """

    model_config = ConfigDict(frozen=True)

    label: str = Field(min_length=1, max_length=40)
    data: str = Field(min_length=1, max_length=300)
    means: Literal["yes", "no"] | None = None
    spoken: tuple[str, ...] = ()


class Attachment(BaseModel):
    """A file that goes with a message; its content lies on the house's `bot.attachments.Shelf` under `sha256`."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1, max_length=200)
    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Message(BaseModel):
    """What people see.

    `reference` says what the message belongs to (`broadcast:12`), `quote` is the platform's id of the message that
    this one answers or corrects. A platform without buttons gets their labels numbered under the text.
    Files that a platform cannot carry stand in `named` in the place of `attachments`: its text names them. Where that
    is known only at the last moment (a server refuses their size, the disk does not give them), `without_files` is the
    text to send instead.
    `typed` says what somebody may type instead of pressing: "choices" (labels, numbers, はい), only "labels" where a
    number may be an answer of its own, or "own" where a handler reads all that is typed.
    """

    model_config = ConfigDict(frozen=True)

    text: str = Field(min_length=1)
    buttons: tuple[Button, ...] = ()
    mentions: tuple[str, ...] = ()
    quote: str | None = None
    reference: str | None = None
    attachments: tuple[Attachment, ...] = ()
    named: tuple[Attachment, ...] = ()
    without_files: str | None = None
    typed: Typed = "choices"

    def words_alone(self) -> Message:
        """The message without its files: the words are to arrive whatever becomes of those."""
        return self.model_copy(update={"text": self.without_files or self.text, "attachments": ()})

    def as_plain_text(self) -> str:
        """The message for a platform without buttons: choices as numbered lines."""
        if not self.buttons:
            return self.text
        choices = "\n".join(f"{number}. {button.label}" for number, button in enumerate(self.buttons, start=1))
        return f"{self.text}\n\n{choices}"
