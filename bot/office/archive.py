"""The parts of a workbook, unpacked piece by piece and fed to a parser, within bounds on bytes and elements.

Nothing is unpacked that is not read, and nothing is believed that the archive's directory says of sizes.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from xml.parsers import expat

from bot.errors import Refused
from bot.office import limits

_PIECE = 4 * 2**20  # large: the parser reads an unfinished tag again from its beginning with every piece
_DIRECTORY_ENTRY = b"PK\x01\x02"


class Part:
    """What takes a part's elements as they come; the base of every reader of one.

    Names come without prefix and namespace: the transitional and the strict form of ISO/IEC 29500 have the same words.
    """

    def __init__(self) -> None:
        self._elements = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self._elements += 1
        if self._elements > limits.MAX_ELEMENTS:
            raise too_large()
        self.begin(tag[tag.rfind(":") + 1 :], attributes)

    def end(self, tag: str) -> None:
        """An element is over."""
        self.finish(tag[tag.rfind(":") + 1 :])

    def data(self, data: str) -> None:
        """Text stands in an element."""

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element of this name begins."""

    def finish(self, name: str) -> None:
        """An element of this name is over."""


class Archive:
    """A workbook's archive. What is damaged in it is raised as zipfile, zlib and expat raise it."""

    def __init__(self, data: bytes) -> None:
        if data.count(_DIRECTORY_ENTRY) > limits.MAX_PARTS:
            raise too_large()
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self._left = limits.MAX_UNPACKED_BYTES
        if sum(member.file_size for member in self._zip.infolist() if _is_xml(member.filename)) > self._left:
            raise too_large()
        # Names differ by case and slashes from writer to writer.
        self._members = {self._key(member.filename): member for member in self._zip.infolist()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return self._key(name) in self._members

    def read(self, name: str, part: Part, most: int | None = None) -> None:
        """Feed a part to its reader; Refused if it is longer than `most` or all parts together than the limit."""
        member = self._members[self._key(name)]
        if member.flag_bits & 1:
            raise Refused("office.old_excel")
        limit = limits.MAX_UNPACKED_BYTES if most is None else most
        if member.file_size > min(limit, self._left):
            raise too_large()
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = part.start, part.end
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = part.data, _refuse_entities
        with self._zip.open(member) as stream:
            while piece := stream.read(_PIECE):
                self._left -= len(piece)
                if self._left < 0:
                    raise too_large()
                parser.Parse(piece, False)
        parser.Parse(b"", True)

    @staticmethod
    def _key(name: str) -> str:
        return posixpath.normpath(name.replace("\\", "/").lstrip("/")).lower()


def _refuse_entities(*_: Any) -> None:
    raise ValueError("a document type has no place in a workbook")


def _is_xml(name: str) -> bool:
    return name.lower().endswith((".xml", ".rels"))  # pictures are never unpacked


def too_large() -> Refused:
    """What is said of a workbook that unpacks to more than is read."""
    return Refused("office.too_large_unpacked", limit=limits.MAX_UNPACKED_BYTES // 2**20)
