"""How much of an office file is read: every reader of CSV and XLSX has the same bounds."""

from __future__ import annotations

MAX_BYTES = 20 * 2**20
"""Bytes of a file as it lies on the disk."""
MAX_UNPACKED_BYTES = 200 * 2**20
"""Bytes of all parts of a workbook that are read, unpacked."""
MAX_LEAF_BYTES = 32 * 2**20
"""Bytes of a part that holds no cells: styles, relations, the list of sheets."""
MAX_ELEMENTS = 8_000_000
"""XML elements of one part; a million styled empty cells are a million of them."""
MAX_PARTS = 5_000
"""Files in a workbook's archive."""
MAX_SHEETS = 200
MAX_ROWS = 50_000
MAX_COLUMNS = 200
MAX_FILLED = 2_000_000
"""Cells with something in them."""
MAX_STYLES = 65_536
"""Cell formats; Excel takes 65,490."""
MAX_CELL = 32_767
"""Characters of a cell; Excel takes no more."""
