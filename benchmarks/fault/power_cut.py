"""What a power cut takes away: everything that SQLite has written to a file and not yet synced.

`record()` puts itself between SQLite and its files, in the process that writes them: before each write what stood
there is noted in a file beside, and a sync empties that file. After `kill -9`, `cut()` writes back what was noted, from
the last write to the first: every file is then as it was when it was last synced. That is the hardest of the outcomes
that a disk may have; the kernel's cache, which survives a kill, hides it.

SQLite offers no hook for its syncs. Each open file begins with a pointer to a table of functions (`sqlite3_io_methods`,
https://sqlite.org/c3ref/io_methods.html); it is pointed at a copy in which three of them are ours.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUFFIX = ".unsynced"
_HEAD = struct.Struct("<qqq")  # where, the file's size before, how many bytes follow
_OK, _IO_ERROR, _FULL = 0, 10, 13
_CLOSE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_READ = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class _Methods(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int),
        ("close", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
        ("write", ctypes.c_void_p),
        ("truncate", ctypes.c_void_p),
        ("sync", ctypes.c_void_p),
        ("others", ctypes.c_void_p * 13),  # the third version has eighteen functions
    ]


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
    ]


class _Recorder:
    """Notes what stood where something is written. Own descriptors are never closed: that would drop SQLite's locks."""

    def __init__(self, library: Any) -> None:
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._vfs = library.sqlite3_vfs_find(None).contents
        self._open = _OPEN(self._vfs.open)
        self._files: dict[int, tuple[int, int]] = {}  # SQLite's file: our descriptors of it, and of what is noted
        self._descriptors: dict[str, tuple[int, int]] = {}
        self._tables: dict[int, _Methods] = {}
        self._kept: list[Any] = [library]  # what C points to must stay
        opening = _OPEN(self._opened)
        self._kept.append(opening)
        self._vfs.open = ctypes.cast(opening, ctypes.c_void_p).value

    def _opened(self, vfs: int, name: int, file: int, flags: int, out: int) -> int:
        result: int = self._open(vfs, name, file, flags, out)
        pointer = ctypes.cast(file, ctypes.POINTER(ctypes.c_void_p))
        if result != _OK or not name or not pointer[0]:
            return result
        path = ctypes.string_at(name).decode()
        try:
            self._files[file] = self._descriptors_of(path)
        except OSError:
            return result
        pointer[0] = ctypes.addressof(self._table(pointer[0]))
        return result

    def _descriptors_of(self, path: str) -> tuple[int, int]:
        there = os.stat(path)  # noqa: PTH116 - no path object in a callback of C
        key = f"{there.st_dev}:{there.st_ino}"
        if key not in self._descriptors:
            notes = os.open(path + SUFFIX, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            if there.st_size == 0:
                os.ftruncate(notes, 0)  # of a file that was here before this one
            self._descriptors[key] = (os.open(path, os.O_RDONLY), notes)
        return self._descriptors[key]

    def _table(self, original: int) -> _Methods:
        """A copy of SQLite's table in which writing, shortening and syncing are ours."""
        if original in self._tables:
            return self._tables[original]
        theirs = _Methods.from_address(original)
        ours = _Methods.from_buffer_copy(theirs)
        write, truncate, sync = _READ(theirs.write), _TRUNCATE(theirs.truncate), _SYNC(theirs.sync)

        def on_write(file: int, data: int, count: int, offset: int) -> int:
            result: int = write(file, data, count, offset) if self._note(file, offset, count) else _FULL
            return result

        def on_truncate(file: int, size: int) -> int:
            here = os.fstat(self._files[file][0]).st_size
            result: int = truncate(file, size) if self._note(file, size, max(0, here - size)) else _FULL
            return result

        def on_sync(file: int, flags: int) -> int:
            result: int = sync(file, flags)
            if result == _OK:
                os.ftruncate(self._files[file][1], 0)
            return result

        functions: list[Any] = [_READ(on_write), _TRUNCATE(on_truncate), _SYNC(on_sync)]
        for field, function in zip(("write", "truncate", "sync"), functions, strict=True):
            setattr(ours, field, ctypes.cast(function, ctypes.c_void_p).value)
        self._kept += [write, truncate, sync, *functions]
        self._tables[original] = ours
        return ours

    def _note(self, file: int, offset: int, count: int) -> bool:
        """Note `count` bytes; false where not even that can be written."""
        source, notes = self._files[file]
        try:
            old = os.pread(source, count, offset)
            record = _HEAD.pack(offset, os.fstat(source).st_size, len(old)) + old
            return os.write(notes, record) == len(record)
        except OSError:
            return False


_recorders: list[_Recorder] = []


def record() -> bool:
    """From now on this process's SQLite notes what it has not synced; false where its library cannot be reached."""
    import _sqlite3  # noqa: PLC0415 - the library that it is linked with is the one to be listened to

    del _sqlite3
    for name in _libraries():
        try:
            library = ctypes.CDLL(name)
            find = library.sqlite3_vfs_find
        except (OSError, AttributeError):
            continue
        del find
        _recorders.append(_Recorder(library))
        return True
    return False


def _libraries() -> Iterator[str]:
    """The SQLite that is loaded in this process, as the system lists it."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        path = line.rpartition(" ")[2]
        if "sqlite3" in path.rpartition("/")[2] and ".so" in path:
            yield path


def cut(folder: Path) -> int:
    """Take away what was not synced, in all files of a folder whose process is dead; how many writes that were."""
    taken = 0
    for notes in sorted(folder.glob(f"*{SUFFIX}")):
        file = notes.with_name(notes.name.removesuffix(SUFFIX))
        records = list(_records(notes.read_bytes()))
        if file.exists():
            with file.open("r+b") as opened:
                for offset, size, old in reversed(records):
                    opened.seek(offset)
                    opened.write(old)
                    opened.truncate(size)
            taken += len(records)
        notes.unlink()
    for shared in folder.glob("*.sqlite3-shm"):
        shared.unlink()  # memory, in truth
    return taken


def _records(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    start = 0
    while start + _HEAD.size <= len(content):
        offset, size, count = _HEAD.unpack_from(content, start)
        start += _HEAD.size
        if start + count > len(content):
            return  # the process died while it noted this, so the write was never made
        yield offset, size, content[start : start + count]
        start += count
