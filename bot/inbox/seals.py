"""The keys that seal what waits in the inbox, so that nothing of it can be read once it is handled.

SQLite forgets slowly: what a row held stays in the log and in freed pages until something else is written there, and in
every copy that was made meanwhile. So a payload is sealed (AES-256 in counter mode: all of a commit in one go, at a
tenth of what a call each would cost) before it is written, under a key that is used for `PERIOD` and lies in a file of
its own. When all that a key has sealed is handled, the key is wiped; what waits
longer than that is sealed anew under another, so that it does not keep the rest readable.

A key is on the disk before the first event that it seals is acknowledged. Two lanes: `fresh` seals what arrives, `kept`
what stays for longer (events that failed, and what was sealed anew).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes
from time import monotonic
from typing import Literal

import structlog
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from bot.key_files import LENGTH, wipe_key, write_key

log = structlog.get_logger(__name__)

PERIOD = 60.0
"""Seconds for which a key seals; twice this after an event was handled, its key is gone."""
SHORTEST = 512
"""Bytes that every sealed payload has at least. Longer ones have four times as many, sixteen times, and so on: lengths
must not tell answers apart."""

Lane = Literal["fresh", "kept"]

_MARK = b"S1"
_NAME = 8
_PLACE = 8
_HEAD = len(_MARK) + _NAME
_TEXT = _HEAD + _PLACE
_BLOCK = 16


@dataclass(slots=True, eq=False)
class Key:
    """One key, and the rows that it still holds."""

    name: bytes
    secret: bytes
    drawn_at: float
    has_released: bool = False
    """Whether something that it has sealed is done with, and ought to be unreadable."""
    wipe_after: float = 0.0
    """Where wiping has failed: when it is tried again."""
    ids: set[int] = field(default_factory=set)
    _blocks: int = 0
    """How far it has been used: never twice from one place, as only the process that drew a key seals with it."""
    _stream: CipherContext | None = None

    def seal(self, plains: Sequence[bytes]) -> list[bytes]:
        """Texts as noise, of lengths that say little."""
        if self._stream is None:
            self._stream = Cipher(AES(self.secret), CTR(bytes(_BLOCK))).encryptor()
        padded = [plain.ljust(SHORTEST if len(plain) <= SHORTEST else _padded(len(plain))) for plain in plains]
        noise = self._stream.update(b"".join(padded))
        head, sealed, start = _MARK + self.name, [], 0
        for plain in padded:
            end = start + len(plain)
            place = (self._blocks + start // _BLOCK).to_bytes(_PLACE, "big")
            sealed.append(head + place + noise[start:end])
            start = end
        self._blocks += start // _BLOCK
        return sealed

    def unseal(self, stored: bytes) -> bytes:
        """What was sealed with this key."""
        place = stored[_HEAD:_TEXT].rjust(_BLOCK, b"\0")
        return Cipher(AES(self.secret), CTR(place)).decryptor().update(stored[_TEXT:]).rstrip(b" ")


class Seals:
    """The keys of one inbox; for the one thread that owns its file."""

    def __init__(self, inbox: Path, *, durable: bool) -> None:
        self._folder = inbox.parent / "inbox-keys"
        self._stem = inbox.stem
        self._durable = durable
        self._keys: dict[bytes, Key] = {}
        self._lanes: dict[Lane, Key] = {}
        self._of: dict[int, Key] = {}

    # ------------------------------------------------------------------ sealing

    def current(self, lane: Lane = "fresh") -> Key:
        """The key to seal with now; it is on the disk. Raises OSError where one is needed and cannot be written."""
        key = self._lanes.get(lane)
        return self._drawn(lane, key) if key is None or monotonic() - key.drawn_at >= PERIOD else key

    def unseal(self, stored: bytes) -> bytes | None:
        """What was sealed; None if the key is gone."""
        key = self._keys.get(stored[len(_MARK) : _HEAD])
        return None if key is None else key.unseal(stored)

    # ---------------------------------------------------------- what keys hold

    def hold(self, ids: Collection[int], key: Key) -> None:
        """Rows now stand under this key, and under no other; to be called once that is committed."""
        for number in ids:
            if (before := self._of.get(number)) is not None and before is not key:
                before.ids.discard(number)
                before.has_released = True
            self._of[number] = key
        key.ids.update(ids)

    def found(self, id: int, stored: bytes) -> None:
        """A row that an earlier process has left."""
        if (key := self._keys.get(stored[len(_MARK) : _HEAD])) is not None:
            key.ids.add(id)
            self._of[id] = key

    def release(self, ids: Iterable[int]) -> None:
        """Rows are done with; to be called once that is committed."""
        for number in ids:
            if (key := self._of.pop(number, None)) is not None:
                key.ids.discard(number)
                key.has_released = True

    def retire(self) -> None:
        """What comes next is sealed with other keys."""
        self._lanes.clear()

    def to_move(self, *, at_once: bool) -> list[int]:
        """Rows that keep a key from being wiped though it ought to be, after twice its period or `at_once`."""
        now = monotonic()
        return [
            number
            for key in self._keys.values()
            if key.has_released and key not in self._lanes.values() and (at_once or now - key.drawn_at >= 2 * PERIOD)
            for number in key.ids
        ]

    def wipe(self) -> None:
        """Destroy the keys that hold nothing any more and are no longer used."""
        now = monotonic()
        for lane, key in list(self._lanes.items()):
            if now - key.drawn_at >= PERIOD:
                del self._lanes[lane]
        used = set(self._lanes.values())
        for key in [key for key in self._keys.values() if not key.ids and key not in used and key.wipe_after <= now]:
            self._destroy(key.name)

    def put_off(self) -> None:
        """What could not be sealed anew is tried again in a while."""
        for key in self._keys.values():
            key.drawn_at = max(key.drawn_at, monotonic() - PERIOD)

    def due_in(self) -> float | None:
        """Seconds until `wipe` or `to_move` will have something to do; None if nothing is sealed."""
        used = set(self._lanes.values())
        moments = [
            max(key.wipe_after, key.drawn_at + (PERIOD if not key.ids or key in used else 2 * PERIOD))
            for key in self._keys.values()
            if not key.ids or key.has_released
        ]
        return max(min(moments) - monotonic(), 0.0) if moments else None

    # -------------------------------------------------------------------- files

    def load(self) -> None:
        """The keys that an earlier process has left: they open, and seal nothing more."""
        pattern = re.compile(rf"{re.escape(self._stem)}-([0-9a-f]{{{2 * _NAME}}})\.key")
        for path in sorted(self._folder.glob("*.key")):
            if (found := pattern.fullmatch(path.name)) is None:
                continue
            name, secret = bytes.fromhex(found[1]), path.read_bytes()
            if len(secret) == LENGTH:
                # The process that drew it may have handled something under it.
                self._keys[name] = Key(name, secret, float("-inf"), has_released=True)
            else:  # cut off while it was written, so that nothing can have been sealed with it
                path.unlink()

    def keep_in_place(self) -> None:
        """Write anew the keys whose files were deleted under us: what they seal must be readable after a restart."""
        used = self._lanes.get("fresh")
        if used is not None and not self._path(used.name).exists():
            for key in self._keys.values():
                if not self._path(key.name).exists():
                    write_key(self._path(key.name), key.secret, durable=self._durable)
            log.error("inbox_keys_were_deleted", folder=str(self._folder), done="they were written anew")

    def _drawn(self, lane: Lane, before: Key | None) -> Key:
        name, secret = token_bytes(_NAME), token_bytes(LENGTH)
        try:
            write_key(self._path(name), secret, durable=self._durable)
        except OSError as error:
            if before is None:
                raise
            log.error("inbox_key_not_renewed", folder=str(self._folder), error=str(error))
            before.drawn_at = monotonic()  # a full disk passes, and what arrives meanwhile is kept
            return before
        key = self._keys[name] = self._lanes[lane] = Key(name, secret, monotonic())
        return key

    def _destroy(self, name: bytes) -> None:
        try:
            wipe_key(self._path(name), durable=self._durable)
        except OSError as error:
            log.error("inbox_key_not_wiped", folder=str(self._folder), error=str(error))
            self._keys[name].wipe_after = monotonic() + PERIOD
            return
        del self._keys[name]

    def _path(self, name: bytes) -> Path:
        return self._folder / f"{self._stem}-{name.hex()}.key"


def is_sealed(stored: object) -> bool:
    """Whether a stored value is sealed; what an older version wrote is not."""
    return isinstance(stored, bytes) and stored.startswith(_MARK) and len(stored) >= _TEXT + SHORTEST


def _padded(length: int) -> int:
    size = SHORTEST
    while size < length:
        size *= 4
    return size
