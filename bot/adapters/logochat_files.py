"""Files on their way to a LoGoチャット-compatible service: each content is put there once, named by its hash."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import aiohttp
from yarl import URL

from bot.attachments import PIECE, Shelf
from bot.messages import Attachment

PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
"""A large file takes its time; a service that says nothing for a minute is given up."""

Declined = tuple[int, bytes, str | None]
"""Status, body and `Retry-After` of an answer that is no success."""


class Files:
    """Knows what the service has; after a restart nothing, and puts files again, which changes nothing there."""

    def __init__(self, shelf: Shelf, url: URL) -> None:
        self._shelf = shelf
        self._url = url
        self._there: set[tuple[str, str]] = set()
        self._busy: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def put(self, session: aiohttp.ClientSession, attachment: Attachment) -> Declined | None:
        """Stream a file to the service unless it is there; None once it is.

        Raises what a network does, and `NotOnShelf`. A hundred deliveries of one notice want it at the same moment:
        the first brings it, the others wait.
        """
        key = (attachment.sha256, attachment.name)
        if key in self._there:
            return None
        async with self._busy[key]:
            if key in self._there:
                return None
            source = await self._shelf.open(attachment)
            try:
                url = (self._url / attachment.sha256).with_query(name=attachment.name)
                headers = {"Content-Type": "application/octet-stream", "Content-Length": str(attachment.size)}
                async with session.put(
                    url, data=source, headers=headers, timeout=PATIENCE, allow_redirects=False
                ) as answer:
                    if answer.status != 204:
                        body = await answer.content.read(1_000_000)
                        return answer.status, body, answer.headers.get("Retry-After")
            finally:
                source.close()
            self._there.add(key)
        self._busy.pop(key, None)
        return None

    async def fetch(self, session: aiohttp.ClientSession, url: URL, name: str) -> Attachment:
        """Stream one file from the service to the shelf. Raises what a network does, and `Refused`."""
        async with session.get(url, timeout=PATIENCE, allow_redirects=False, raise_for_status=True) as answer:
            return await self._shelf.keep_stream(name, answer.content.iter_chunked(PIECE))

    def forget(self, attachments: Sequence[Attachment]) -> None:
        """Put these again before the next message that names them."""
        self._there.difference_update((each.sha256, each.name) for each in attachments)
