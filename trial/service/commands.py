"""The quick acts of everyday: read, press, write, sent over the WebSocket on which a person listens.

A request of its own for each "I have read this" would cost more than what it says. A command that is carried out is
not answered: what it brings about arrives as frames anyhow. One that is refused comes back as a problem frame and has
changed nothing.
"""

from __future__ import annotations

import traceback
from typing import Annotated, Literal

import structlog
from pydantic import Field, TypeAdapter, ValidationError

from trial.service import messages, models, problems, reads, rooms
from trial.service.calls import Core
from trial.service.change import Change
from trial.service.store import transaction

log = structlog.get_logger(__name__)


class Read(models.MarkRead):
    """Everything in the room up to this message is read."""

    do: Literal["read"]
    room_id: str


class Press(models.Press):
    """A button of a message."""

    do: Literal["press"]
    message_id: str


class Write(models.SendMessage):
    """A message into a room."""

    do: Literal["write"]
    room_id: str


Command = Annotated[Read | Press | Write, Field(discriminator="do")]
_COMMAND: TypeAdapter[Command] = TypeAdapter(Command)


def carry_out(core: Core, who: str, data: str | bytes) -> models.ProblemFrame | None:
    """Do what a frame of the person `who` asks for; None once it is done."""
    change = core.change()
    try:
        core.buckets.take(who, core.limits.person, change.now)
        command = _COMMAND.validate_json(data)
        with transaction(core.db):
            _do(change, who, command)
    except problems.Problem as problem:
        return models.ProblemFrame(status=int(problem.status), detail=problem.detail)
    except ValidationError as error:
        refusal = problems.from_validation(error)
        return models.ProblemFrame(status=int(refusal.status), detail=refusal.detail)
    except Exception:
        log.error("command_failed", trace=traceback.format_exc())  # as plain text, like a request's
        return models.ProblemFrame(status=500, detail="Something is wrong with the service; it was logged. Try again.")
    core.publish(change)
    return None


def _do(change: Change, who: str, command: Command) -> None:
    match command:
        case Read():
            reads.mark(change, who, rooms.enter(change, command.room_id, who), command.message_id)
        case Press():
            messages.press(change, who, command.message_id, command.data)
        case Write():
            messages.send(change, who, rooms.enter(change, command.room_id, who), messages.drafted(command))
