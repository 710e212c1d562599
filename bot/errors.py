"""Everything that Kairanban raises on purpose.

- `KairanbanError`: the root; its text is a sentence that says what to do.
  - `ConfigurationError`: wrong at start-up: two handlers for one command, an unknown adapter, a missing secret.
  - `MalformedPayload`: a correctly signed request that the adapter cannot read. It is stored as `Unknown`, never lost.
  - `InboxUnavailable`: the log cannot take the event (disk full, file locked). The webhook answers 503.
  - `NotOnShelf`: a file that goes with a message cannot be read on this machine.
  - `Refused`: the person asked for something they may not do, or that makes no sense. Handlers turn it into a kind
    reply; the command line into one line and exit code 2. What its transaction had begun is rolled back.
    - `Forbidden`: refused for want of a right; whoever catches it writes it into the audit.
"""

from __future__ import annotations

from bot.texts import repeated


class KairanbanError(Exception):
    """The root of every error raised on purpose; `str(error)` is a sentence for the reader."""


class ConfigurationError(KairanbanError):
    """The program was put together wrongly; raised at start-up, before any event is taken."""


class MalformedPayload(KairanbanError):
    """A request was signed correctly but is not what the platform's documentation describes."""


class InboxUnavailable(KairanbanError):
    """The durable log could not take an event, so the platform must not be told that we have it."""


class NotOnShelf(KairanbanError):
    """The content of an attachment is not, or not whole, where this machine looks for it."""


class Refused(KairanbanError):
    """A person's wish that cannot be granted, with the reason.

    `key` names a sentence in the room's catalogue and `values` fill it, so that the reason reaches the person in their
    language; `str(error)` is the English form for logs.
    """

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        # What somebody wrote is said back to them, and the whole must not be longer than a platform takes.
        self.values = {name: repeated(value) if isinstance(value, str) else value for name, value in values.items()}
        super().__init__(key + (f" {self.values}" if values else ""))


class Forbidden(Refused):
    """Somebody wanted what they may not do.

    It is raised inside a transaction that is rolled back, so the audit's row is written by the one who catches it, in a
    transaction of its own: `bot.audit.record_refusal`. `action` is such as `broadcast.confirm`.
    """

    def __init__(self, key: str, *, actor: str, action: str, subject: str, **values: object) -> None:
        self.actor = actor
        self.action = action
        self.subject = subject
        super().__init__(key, **values)
