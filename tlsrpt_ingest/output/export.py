"""Rows as CSV for spreadsheets, as JSON Lines for scripts, as Parquet for DuckDB and pandas; page by page."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import IO, Any, Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.output.json_text import json_text
from tlsrpt_ingest.output.text import clean
from tlsrpt_ingest.store.extract import Extract, Kind

GROUP_ROWS: Final = 50_000
GROUP_OCTETS: Final = 64 * limits.MIB
"""Rows and octets that a row group of Parquet is written with: what a reader skips or reads at once."""

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet computes: the characters of OWASP's "CSV Injection", and their wide forms."""

_SPLIT: Final = re.compile(rf";(?=[\"\s]*[{re.escape(''.join(FORMULA))}])")
"""Where a spreadsheet begins a cell that computes, if it splits at semicolons: Excel does in half of Europe."""


class Format(StrEnum):
    """How rows are written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


Write = Callable[[Sequence[Sequence[Any]]], None]


def write(extract: Extract, form: Format, file: IO[bytes]) -> None:
    """Write everything; raises Misconfigured where pyarrow is wanted and missing."""
    with _WRITERS[form](extract.columns, file) as page_writer:
        for page in extract.pages:
            page_writer(page)


@contextmanager
def _csv(columns: Sequence[tuple[str, Kind]], file: IO[bytes]) -> Iterator[Write]:
    """For eyes: texts are cleaned and shortened as everywhere, and none of them is a formula."""
    lines = csv.writer(_Encoded(file))
    lines.writerow(name for name, _kind in columns)

    def page(rows: Sequence[Sequence[Any]]) -> None:
        lines.writerows([_cell(value) for value in row] for row in rows)

    yield page


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    if value is None or isinstance(value, int):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    cleaned = _SPLIT.sub(";'", clean(text, limits.TEXT))
    # Also where only the cleaning hides how it began: "\t=" is a tab to whoever undoes it.
    return f"'{cleaned}" if cleaned.startswith(FORMULA) or text.startswith(FORMULA) else cleaned


class _Encoded:
    """Text for a binary file, as the csv module writes it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write it as UTF-8."""
        return self._file.write(text.encode())


@contextmanager
def _jsonl(columns: Sequence[tuple[str, Kind]], file: IO[bytes]) -> Iterator[Write]:
    """Exact: an object a line, every text as the database has it."""
    names = [name for name, _kind in columns]

    def page(rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            values = (f"{value.isoformat()}Z" if isinstance(value, datetime) else value for value in row)
            file.write(json_text(dict(zip(names, values, strict=True)), indent=None).encode() + b"\n")

    yield page


@contextmanager
def _parquet(columns: Sequence[tuple[str, Kind]], file: IO[bytes]) -> Iterator[Write]:
    """Exact, with types: 64-bit integers, timestamps in UTC, lists of texts."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import
        from pyarrow import parquet  # noqa: PLC0415 - as above
    except ModuleNotFoundError as missing:
        raise Misconfigured("Parquet needs pyarrow; type: pip install 'tlsrpt-ingest[parquet]'") from missing
    types = {
        Kind.TEXT: pa.string(),
        Kind.TEXTS: pa.list_(pa.string()),
        Kind.COUNT: pa.int64(),
        Kind.MOMENT: pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in columns])
    waiting: list[Any] = []

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting.clear()

        def page(rows: Sequence[Sequence[Any]]) -> None:
            arrays = [
                pa.array([_exact(row[at]) for row in rows], types[kind]) for at, (_name, kind) in enumerate(columns)
            ]
            waiting.append(pa.record_batch(arrays, schema=schema))
            if sum(one.num_rows for one in waiting) >= GROUP_ROWS or sum(one.nbytes for one in waiting) >= GROUP_OCTETS:
                flush()

        yield page
        flush()


def _exact(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


_WRITERS: Final = {Format.CSV: _csv, Format.JSONL: _jsonl, Format.PARQUET: _parquet}
