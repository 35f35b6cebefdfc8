"""The document of an export: rows as one file, or as one for each studio in an archive (R42)."""

from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Final, Protocol
from uuid import UUID

from export_service.exports.contents import Contents, Rows
from export_service.exports.export import Format, Layout
from export_service.rendering.csv_writer import CsvWriter
from export_service.rendering.files_in_zip import FilesInZip
from export_service.rendering.xlsx_writer import XlsxWriter
from export_service.rendering.zip_stream import Output

_ROWS_PER_PIECE: Final = 500
"""Rows of the file that a writer gets at once: it takes some 10 kB of memory for each."""


class Document(Protocol):
    """Takes rows, batch by batch; all of it keeps a processor busy: do it in a thread."""

    def add(self, rows: Iterable[Rows]) -> Iterator[int]:
        """Writes a batch of rows, a piece with each step; tells how many rows of the file it is."""

    def finish(self) -> None:
        """Writes what comes after the last row."""


def begin_document(output: Output, layout: Layout, contents: Contents) -> Document:
    """Begins what the layout asks for."""
    if layout.per_studio:
        return _FileForEachStudio(output, layout, contents)
    return _OneFile(output, layout, contents, studio_id=None)


class _OneFile:
    """All rows, or those of one studio, as one file."""

    def __init__(
        self, output: Output, layout: Layout, contents: Contents, studio_id: UUID | None
    ) -> None:
        self._contents = contents
        self._studio_id = studio_id
        self._writer = _writer(output, layout, contents)

    def add(self, rows: Iterable[Rows]) -> Iterator[int]:
        texts = chain.from_iterable(some.texts() for some in rows)
        while piece := list(islice(texts, _ROWS_PER_PIECE)):
            self._contents.count(piece)
            self._writer.add(piece)
            yield len(piece)

    def finish(self) -> None:
        if isinstance(self._writer, XlsxWriter):
            self._writer.finish(self._contents.summary(self._studio_id))


def _writer(output: Output, layout: Layout, contents: Contents) -> CsvWriter | XlsxWriter:
    match layout.format:
        case Format.CSV:
            return CsvWriter(output, contents.columns, layout.csv_dialect, layout.csv_guarded)
        case Format.XLSX:
            return XlsxWriter(output, contents.columns, contents.sheets)


class _FileForEachStudio:
    """A ZIP archive; rows of a studio come one behind the other."""

    def __init__(self, output: Output, layout: Layout, contents: Contents) -> None:
        self._archive = FilesInZip(output)
        self._layout = layout
        self._contents = contents
        self._open: tuple[UUID, _OneFile] | None = None

    def add(self, rows: Iterable[Rows]) -> Iterator[int]:
        for studio_id, some in groupby(rows, attrgetter("studio_id")):
            yield from self._file_of(studio_id).add(some)

    def finish(self) -> None:
        self._end_file()
        self._archive.finish()

    def _file_of(self, studio_id: UUID) -> _OneFile:
        if self._open is not None and self._open[0] == studio_id:
            return self._open[1]
        self._end_file()
        output = self._archive.begin(f"{self._contents.stem(studio_id)}.{self._layout.format}")
        file = _OneFile(output, self._layout, self._contents, studio_id)
        self._open = studio_id, file
        return file

    def _end_file(self) -> None:
        if self._open is not None:
            self._open[1].finish()
            self._archive.end()
            self._open = None
