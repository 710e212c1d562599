"""Which handler answers which event.

A handler takes one argument, the `Context`, and is handed back unchanged by the decorator, so that it can be called
and tested as the plain function it is. Handlers for one event are asked in the order of their registration, a command
or button before the rest, until one returns anything but `NEXT`.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.context import Context
from bot.errors import ConfigurationError
from bot.events import BaseEvent, ButtonPressed, MessageReceived
from bot.folding import fold

E = TypeVar("E", bound=BaseEvent)

Handler = Callable[[Context[E]], Awaitable[object]]
BulkHandler = Callable[[AsyncConnection, Sequence[E]], Awaitable[object]]


class _Next(Enum):
    NEXT = "next"


_LIKENESS = 0.5
"""How like a command a mistyped one must be to be asked about: one letter of two, as 既毒 is to 既読."""

NEXT: Final = _Next.NEXT
"""What a handler returns that leaves the event to the next one."""


@dataclass(frozen=True, slots=True)
class HelpEntry:
    """One line of the help: a command's names, the one to show first, what it does, and for which roles (none: all)."""

    names: tuple[str, ...]
    help: str
    roles: frozenset[str] = frozenset()


_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Marks of direction and width that come along when text is copied."""
_COMMAND = re.compile(rf"(?:\s|{_UNSEEN.pattern})*[/／](\S+)(.*)", re.DOTALL)


class Router:
    """A set of handlers; put several together with `include`."""

    def __init__(self) -> None:
        self._commands: dict[str, Handler[Any]] = {}
        self._sounding: dict[str, str] = {}
        self._buttons: dict[str, Handler[Any]] = {}
        self._handlers: dict[type[BaseEvent], list[Handler[Any]]] = {}
        self._bulk: dict[type[BaseEvent], list[BulkHandler[Any]]] = {}
        self._help: list[HelpEntry] = []

    def command(
        self, *names: str, help: str = "", also: Sequence[str] = (), roles: Collection[str] = ()
    ) -> Callable[[Handler[MessageReceived]], Handler[MessageReceived]]:
        """Answer `/name`, under any of its names; without `help` the command is not listed.

        `also` are spellings that work and are not shown. With `roles` only their holders see it in the help; what a
        person may do is for the handler to check.
        """
        if not names:
            raise ConfigurationError('A command needs a name: @router.command("ping").')

        def register(handler: Handler[MessageReceived]) -> Handler[MessageReceived]:
            for name in (*names, *also):
                if any(letter.isspace() for letter in name) or not _plain(name):
                    raise ConfigurationError(f"The command {name!r} needs a name without spaces, such as 'ping'.")
                _claim(self._commands, _plain(name), handler, f"command /{name}")
                self._sounding.setdefault(_sound(name), _plain(name))
            if help:
                self._help.append(HelpEntry(names, help, frozenset(roles)))
            return handler

        return register

    def button(self, prefix: str) -> Callable[[Handler[ButtonPressed]], Handler[ButtonPressed]]:
        """Answer buttons whose data is `prefix:…`."""
        if not prefix or ":" in prefix:
            raise ConfigurationError(f"The button prefix {prefix!r} must be a word without a colon.")

        def register(handler: Handler[ButtonPressed]) -> Handler[ButtonPressed]:
            _claim(self._buttons, prefix, handler, f"button {prefix}:")
            return handler

        return register

    def on(self, event_type: type[E]) -> Callable[[Handler[E]], Handler[E]]:
        """Answer every event of a type that no command or button has taken."""

        def register(handler: Handler[E]) -> Handler[E]:
            self._claim_type(self._handlers, event_type, handler, self._bulk)
            return handler

        return register

    def bulk(self, event_type: type[E]) -> Callable[[BulkHandler[E]], BulkHandler[E]]:
        """Take many events of a type at once, in one transaction: for those that come in thousands, such as reads.

        All bulk handlers of the type get all of its events, each event once; order is kept within a call.
        """

        def register(handler: BulkHandler[E]) -> BulkHandler[E]:
            self._claim_type(self._bulk, event_type, handler, self._handlers)
            return handler

        return register

    def include(self, router: Router) -> None:
        """Take over everything that `router` has by now."""
        for name, command in router._commands.items():
            _claim(self._commands, name, command, f"command /{name}")
            self._sounding.setdefault(_sound(name), name)
        for prefix, button in router._buttons.items():
            _claim(self._buttons, prefix, button, f"button {prefix}:")
        for event_type, handlers in router._handlers.items():
            for handler in handlers:
                self._claim_type(self._handlers, event_type, handler, self._bulk)
        for event_type, bulk_handlers in router._bulk.items():
            for bulk_handler in bulk_handlers:
                self._claim_type(self._bulk, event_type, bulk_handler, self._handlers)
        self._help += router._help

    @property
    def help(self) -> Sequence[HelpEntry]:
        """The commands that have a help text, in the order of their registration."""
        return tuple(self._help)

    def handlers(self, event: BaseEvent) -> Iterator[Handler[Any]]:
        """The handlers to ask about `event`, in their order."""
        match event:
            case MessageReceived():
                name, _ = self.invocation(event)
                if name is not None and name in self._commands:
                    yield self._commands[name]
            case ButtonPressed():
                prefix = event.data.partition(":")[0]
                if prefix in self._buttons:
                    yield self._buttons[prefix]
        yield from self._handlers.get(type(event), ())

    def bulk_handlers(self, event_type: type[BaseEvent]) -> Sequence[BulkHandler[Any]]:
        """The bulk handlers of a type of event."""
        return tuple(self._bulk.get(event_type, ()))

    def has_command(self, name: str) -> bool:
        return _plain(name) in self._commands

    def near(self, name: str) -> list[str]:
        """The commands that look most like a mistyped one, each under the first of its names; two at most."""
        found = difflib.get_close_matches(_plain(name), self._commands, n=4, cutoff=_LIKENESS)
        handlers = dict.fromkeys(self._commands[each] for each in found)
        firsts = [next(known for known, each in self._commands.items() if each is handler) for handler in handlers]
        return firsts[:2]

    def invocation(self, event: BaseEvent) -> tuple[str | None, str]:
        """As `invocation`, and where a space is missing (`/一斉訓練`, `/既読3`) the longest command that stands there.

        Japanese is written without spaces. A name in Latin letters ends where its letters end: `/reads` is not `/read`.
        """
        name, arguments = invocation(event)
        if name is None or not isinstance(event, MessageReceived) or name in self._commands:
            return name, arguments
        if (meant := self._sounding.get(_sound(name))) is not None:
            return meant, arguments
        found = _COMMAND.match(event.text)
        assert found is not None, "it has a name"
        word = found[1]
        # Typed in half width, a letter may be two. Of a word of 60,000 letters no more need be tried.
        longest = 2 * max(map(len, self._commands), default=0)
        for length in range(min(len(word) - 1, longest), 0, -1):
            head, rest = _plain(word[:length]), word[length:]
            if head in self._commands and not (_latin(head[-1]) and _latin(_plain(rest[0]))):
                return head, f"{rest}{found[2]}".strip()  # as it was typed: a notice's text may begin here
        return name, arguments

    def handles(self, event: BaseEvent) -> bool:
        """Whether any handler, bulk handlers aside, would be asked about `event`."""
        return next(self.handlers(event), None) is not None

    @staticmethod
    def _claim_type(
        table: dict[type[BaseEvent], list[Any]], event_type: type[BaseEvent], handler: object, other: dict[Any, Any]
    ) -> None:
        if event_type in other:
            raise ConfigurationError(
                f"{event_type.__name__} has both a bulk handler and a single one. Keep one kind: an event is either "
                "applied in bulk or answered by itself."
            )
        handlers = table.setdefault(event_type, [])
        if handler in handlers:
            raise ConfigurationError(f"{_name(handler)} is registered twice for {event_type.__name__}.")
        handlers.append(handler)


def invocation(event: BaseEvent) -> tuple[str | None, str]:
    """The command and the arguments that somebody gave with an event.

    For `/一斉 本文` they are `("一斉", "本文")`; for a button with the data `poll:3:yes`, `(None, "3:yes")`; for
    anything else `(None, "")`. Names are compared without regard to width, case and marks that nobody sees; arguments
    stay as they were typed.
    """
    match event:
        case MessageReceived():
            if (found := _COMMAND.match(event.text)) is not None:
                return _plain(found[1]), found[2].strip()
        case ButtonPressed():
            return None, event.data.partition(":")[2]
    return None, ""


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", _UNSEEN.sub("", name)).casefold().lstrip("/")


def _sound(name: str) -> str:
    """As `_plain`, and katakana as hiragana, dashes of every kind as one: /イッセイ is /いっせい."""
    return "".join(chr(ord(sign) - 0x60) if "ァ" <= sign <= "ヶ" else sign for sign in fold(_plain(name)))


def _latin(letter: str) -> bool:
    return letter.isascii() and letter.isalpha()


def _claim(table: dict[str, Handler[Any]], key: str, handler: Handler[Any], what: str) -> None:
    if key in table:
        raise ConfigurationError(
            f"Two handlers for the {what}: {_name(table[key])} and {_name(handler)}. Give one of them another name."
        )
    table[key] = handler


def _name(handler: object) -> str:
    return f"{getattr(handler, '__module__', '?')}.{getattr(handler, '__qualname__', handler)}"
