"""Workbooks as they come out of a printer: LibreOffice makes a PDF of them, poppler its pages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops

AVAILABLE = all(shutil.which(program) for program in ("soffice", "pdftotext", "pdftoppm"))
"""Whether this machine can print; `.ci/run` installs what it takes, where it may."""
DPI = 60
A4 = (8.27 * DPI, 11.69 * DPI)
"""Pixels of a page held upright."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is to be read on a page, and a picture of it."""

    text: str
    picture: Image.Image

    @property
    def is_a4(self) -> bool:
        return all(abs(one - other) < 2 for one, other in zip(sorted(self.picture.size), A4, strict=True))

    def edge_is_white(self, share: float = 0.015) -> bool:
        """Whether nothing runs over the edge of the paper."""
        width, height = self.picture.size
        left, top = int(width * share), int(height * share)
        grey = self.picture.convert("L")
        strips = [(0, 0, width, top), (0, height - top, width, height)]
        strips += [(0, 0, left, height), (width - left, 0, width, height)]
        return all(grey.crop(strip).getextrema() == (255, 255) for strip in strips)

    def filled(self) -> float:
        """How far down the page reaches, its number at the foot left out: 0 to 1."""
        width, height = self.picture.size
        body = self.picture.convert("L").crop((0, 0, width, int(height * 0.93)))
        box = body.point(lambda value: 255 if value < 250 else 0).getbbox()
        return 0.0 if box is None else box[3] / height

    def painted(self, colour: tuple[int, int, int], tolerance: int = 12) -> float:
        """The share of the page that has a colour: whether a chart was drawn."""
        bands = self.picture.convert("RGB").split()
        near = Image.new("L", self.picture.size, 255)
        for band, wanted in zip(bands, colour, strict=True):
            near = ImageChops.multiply(near, band.point(lambda value, to=wanted: 255 * (abs(value - to) <= tolerance)))
        return near.histogram()[255] / (near.width * near.height)


def printed(books: Mapping[str, bytes], folder: Path) -> dict[str, list[Page]]:
    """The pages of each workbook, by name."""
    for name, content in books.items():
        (folder / f"{name}.xlsx").write_bytes(content)
    home = f"-env:UserInstallation=file://{folder}/home"
    files = [str(folder / f"{name}.xlsx") for name in books]
    _run("soffice", home, "--headless", "--convert-to", "pdf", "--outdir", str(folder), *files)
    return {name: _pages(folder / f"{name}.pdf") for name in books}


def _pages(pdf: Path) -> list[Page]:
    _run("pdftoppm", "-r", str(DPI), "-png", str(pdf), str(pdf.with_suffix("")))
    texts = _run("pdftotext", "-layout", str(pdf), "-").split("\f")
    pictures = sorted(pdf.parent.glob(f"{pdf.stem}-*.png"))
    return [Page(text, _read(picture)) for text, picture in zip(texts, pictures, strict=False)]


def _read(picture: Path) -> Image.Image:
    """Whole: a picture that is opened and not looked at keeps its file open."""
    with Image.open(picture) as opened:
        return opened.copy()


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=180).stdout
