"""Seals the answers of anonymous surveys with keys that the database never sees.

One file a survey in a folder that is kept out of the database's backups. The key is drawn when the survey opens and
destroyed when it closes: what old backups, logs and freed pages still hold of sealed sheets is noise from then on.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.errors import KairanbanError
from bot.key_files import wipe_key, write_key
from surveys.definition import Answer, Definition, FreeText, Multiple, Sheet, WithOptions

_NONCE = 12
_BYTES_A_CHARACTER = 4  # UTF-8 at its longest; control characters, which JSON would escape, are never stored
_OTHER_LENGTH = 200


class KeyLost(KairanbanError):
    """The key of an open anonymous survey is missing or wrong, so its answers so far cannot be read."""


class Vault:
    """A folder of keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, AESGCM] = {}

    def create(self) -> str:
        """Draw a key, write it through to the disk, and return its name."""
        name = secrets.token_hex(16)
        write_key(self._path(name), AESGCM.generate_key(256))
        return name

    def destroy(self, name: str) -> None:
        """Overwrite and delete a key; one that is gone already is no error."""
        self._keys.pop(name, None)
        wipe_key(self._path(name))

    def seal(self, name: str, owner: str, sheet: Sheet, capacity: int) -> bytes:
        """`sheet` as ciphertext of `capacity` bytes and a constant, readable only with the key and for this `owner`."""
        body = orjson.dumps(dict(sheet))
        if len(body) > capacity:
            raise ValueError(f"The sheet has {len(body)} bytes; the definition allows {capacity}.")
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher(name).encrypt(nonce, body.ljust(capacity), owner.encode())

    def unseal(self, name: str, owner: str, sealed: bytes) -> dict[str, Answer]:
        """What `seal` sealed; raises `KeyLost`."""
        try:
            body = self._cipher(name).decrypt(sealed[:_NONCE], sealed[_NONCE:], owner.encode())
        except InvalidTag as error:
            raise KeyLost(
                f"The key {name} in {self._folder} does not fit the answers; put the right one back."
            ) from error
        sheet: dict[str, Answer] = orjson.loads(body)
        return sheet

    def _cipher(self, name: str) -> AESGCM:
        if name not in self._keys:
            try:
                self._keys[name] = AESGCM(self._path(name).read_bytes())
            except OSError as error:
                raise KeyLost(
                    f"The key {name} is not in {self._folder}; put it back, or its survey's answers so far are lost."
                ) from error
        return self._keys[name]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.key"


def capacity(definition: Definition) -> int:
    """Bytes that hold any sheet of this questionnaire: sealed sheets all have one length, whatever was written."""
    size = 2
    for step in definition.steps:
        size += len(step.key) + 40  # quotes, colon, comma, and any code, number or date
        question = step.question
        if isinstance(question, FreeText):
            size += question.max_length * _BYTES_A_CHARACTER
        if isinstance(question, Multiple):
            size += len(question.options) * 4
        if isinstance(question, WithOptions) and any(option.other for option in question.options):
            size += len(step.key) + 20 + _OTHER_LENGTH * _BYTES_A_CHARACTER
    return size


def owner(survey_id: int, member_id: int) -> str:
    """What binds a sealed sheet to its place, so that it cannot be moved to another person's row."""
    return f"survey:{survey_id}:member:{member_id}"


def plain(sheet: Sheet) -> bytes:
    """The sheet of a named survey, as it is stored."""
    return orjson.dumps(dict(sheet))


def read_many(bodies: Sequence[str]) -> list[dict[str, Answer]]:
    """Many sheets at once, which takes less time than one by one."""
    sheets: list[dict[str, Answer]] = orjson.loads(f"[{','.join(bodies)}]")
    return sheets


def read_plain(body: bytes | Mapping[str, Answer] | str) -> dict[str, Answer]:
    """What `plain` stored."""
    sheet: dict[str, Answer] = orjson.loads(body) if isinstance(body, bytes | str) else dict(body)
    return sheet
