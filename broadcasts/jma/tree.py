"""Bytes from outside into an XML tree, and never more than a sentence if they are not one.

No document type, no entities, no more than `SIZE_LIMIT` unpacked: a telegram has none of them and its largest sample
is 142 kB.
"""

from __future__ import annotations

import gzip
import re
import zlib
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from broadcasts.jma.telegram import Reason, plain

SIZE_LIMIT = 5_000_000

TEXT_LIMIT = 10_000
"""How many characters of one element are read; the longest text of a sample has 900."""

UNKNOWN = "不明"
"""What is said in place of a number that is not there: the agency's own word."""

# Expat reads UTF-8 and UTF-16 itself. The Japanese encodings it cannot; Windows' superset reads every Shift_JIS.
_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_CODECS = {
    "shift_jis": "cp932",
    "sjis": "cp932",
    "windows-31j": "cp932",
    "cp932": "cp932",
    "euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp",
}


class NotXml(Exception):
    """The bytes could not be read; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.key)
        self.reason = reason


def parse(data: bytes) -> Element:
    """The root of the document in `data`, which may be compressed with gzip. Raises NotXml and nothing else."""
    if data.startswith(b"\x1f\x8b"):
        data = _unpack(data)
    if len(data) > SIZE_LIMIT:
        raise NotXml(Reason("too_large", {"limit": SIZE_LIMIT}))
    if not data.strip():
        raise NotXml(Reason("empty"))
    try:
        document: bytes | str = data
        if (declared := _DECLARED.match(data[:300])) and (codec := _CODECS.get(declared[1].decode("ascii").lower())):
            document = data.decode(codec)
        root: Element = fromstring(document, forbid_dtd=True)
    except DefusedXmlException:
        raise NotXml(Reason("forbidden")) from None
    except ParseError as error:
        line, column = error.position
        raise NotXml(Reason("not_xml", {"line": line, "column": column})) from None
    except (ValueError, LookupError):
        raise NotXml(Reason("encoding")) from None
    return root


def _unpack(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(data, SIZE_LIMIT + 1)
    except (zlib.error, gzip.BadGzipFile):
        raise NotXml(Reason("gzip")) from None
    if not unpacker.eof and len(unpacked) <= SIZE_LIMIT:
        raise NotXml(Reason("gzip"))
    return unpacked


# Elements are found by their local names: the agency's namespaces change with the schema's version, the names do not.


def path(*names: str) -> str:
    """An ElementTree path through elements of these local names."""
    return "/".join(f"{{*}}{name}" for name in names)


def text(element: Element | None, *names: str) -> str:
    """The text at `names` below `element` without blanks around it; '' if there is none."""
    found = element.find(path(*names)) if element is not None and names else element
    return (found.text or "")[:TEXT_LIMIT].strip() if found is not None else ""


_NO_NUMBER = re.compile(r"\A[-+]?(nan|inf|infinity|null|none|-+|/+|\*+)\Z|NaN", re.IGNORECASE)


def stated(element: Element | None) -> str:
    """A number in the agency's words (`１ｍ`, `巨大`), 不明 where it says that there is none, '' where it says nothing.

    jmx_eb elements write an unknown number as NaN with condition="不明"; description says it in words, or is empty.
    """
    if element is None:
        return ""
    described, written = element.get("description", "").strip(), (element.text or "").strip()
    for said in (described, written):
        if said and _NO_NUMBER.search(plain(said)) is None:
            return said
    return UNKNOWN if described or written or element.get("condition") else ""


def every(element: Element | None, *names: str) -> list[Element]:
    """All elements at `names` below `element`."""
    return [] if element is None else element.findall(path(*names))


def number(written: str) -> int | None:
    """A serial number in figures of any width; None if blank, 0 or no number."""
    figures = plain(written)
    return int(figures) or None if re.fullmatch(r"[0-9]{1,9}", figures) else None
