"""Archives that every system unpacks, and that never need ZIP64 (R41, R42)."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from export_service.rendering.files_in_zip import FilesInZip, safe_name
from export_service.rendering.language import Language
from export_service.rendering.xlsx_writer import SheetNames, XlsxWriter
from export_service.rendering.zip_stream import ArchiveTooLargeError, ZipStream
from export_service.runs.columns import COLUMNS
from tests.export_service.pipe import Pipe
from tests.export_service.sample_rows import plain_row, position

LIMIT = "export_service.rendering.zip_stream._LIMIT"
ENTRIES_LIMIT = "export_service.rendering.zip_stream._ENTRIES_LIMIT"


def archive_of(files: list[tuple[str, bytes]]) -> zipfile.ZipFile:
    """The files, in an archive that was written and is read again."""
    output = Pipe()
    archive = FilesInZip(output)
    for name, content in files:
        file = archive.begin(name)
        file.write(content[:1])
        file.write(content[1:])
        archive.end()
    archive.finish()
    return zipfile.ZipFile(io.BytesIO(output.content))


@given(st.lists(st.tuples(st.text().map(lambda stem: f"{stem}.csv"), st.binary()), max_size=5))
def test_all_files_come_out_as_they_went_in(files: list[tuple[str, bytes]]) -> None:
    """R42: in their order, and under names of which no two are the same anywhere."""
    with archive_of(files) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert [archive.read(name) for name in names] == [content for _, content in files]
        assert len({name.casefold() for name in names}) == len(files)
        assert all(name.endswith(".csv") and len(name.encode()) < 255 for name in names)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("lauf-Fit & Froh Köln.csv", "lauf-Fit & Froh Köln.csv"),
        ("../../etc/passwd.csv", "_.._etc_passwd.csv"),
        ("a\\b:c*?.xlsx", "a_b_c__.xlsx"),
        ("a.x/../y", "a.x_._y"),
        ("CON.csv", "_CON.csv"),
        ("com1.Köln.csv", "_com1.Köln.csv"),
        ("lpt².csv", "_lpt².csv"),
        ("Contor.csv", "Contor.csv"),
        (".hidden.csv", "hidden.csv"),
        (" . .csv", "_.csv"),
        ("Nord. .csv", "Nord.csv"),
        ("a\x00b\u202ec\ud800\n.csv", "a_b_c__.csv"),
        ("Ko\u0308ln.csv", "Köln.csv"),
        ("x" * 300 + ".csv", "x" * 196 + ".csv"),
        ("\U0001f600" * 60 + ".csv", "\U0001f600" * 49 + ".csv"),
    ],
)
def test_a_name_is_made_safe(name: str, safe: str) -> None:
    """R42: no folders, nothing that Windows refuses, nothing hidden, nothing too long."""
    assert safe_name(name) == safe


def test_studios_of_one_name_get_a_number() -> None:
    """R42: also if only upper and lower case, or the number itself, tell them apart."""
    names = ["Köln.csv", "KÖLN.csv", "köln (2).csv", "köln.csv"]
    with archive_of([(name, b"") for name in names]) as archive:
        assert archive.namelist() == [
            "Köln.csv",
            "KÖLN (2).csv",
            "köln (2) (2).csv",
            "köln (3).csv",
        ]


def test_names_are_marked_as_utf_8_where_they_are_not_ascii() -> None:
    """R42: made on Unix, for unzip believes no other's mark; and its owner can read the file."""
    with archive_of([("Köln.csv", b"1"), ("Bonn.csv", b"2")]) as archive:
        infos = archive.infolist()
    assert [bool(info.flag_bits & 0x800) for info in infos] == [True, False]
    assert {(info.create_system, info.external_attr >> 16) for info in infos} == {(3, 0o100600)}


def test_what_is_read_as_a_stream_is_deflated() -> None:
    """R42: Java's ZipInputStream takes no sizes behind the data of a stored entry."""
    with archive_of([("a.xlsx", b"PK" * 100)]) as archive:
        info = archive.infolist()[0]
        assert info.compress_type == zipfile.ZIP_DEFLATED
        assert info.flag_bits & 0x8


def test_workbooks_are_written_into_the_archive() -> None:
    """R42: each as if it were alone."""
    output = Pipe()
    archive = FilesInZip(output)
    for name in ("Nord", "Süd"):
        writer = XlsxWriter(
            archive.begin(f"{name}.xlsx"), COLUMNS, SheetNames.of_claims(Language.EN)
        )
        writer.add([plain_row(Name1=name)])
        writer.finish([])
        archive.end()
    archive.finish()
    with zipfile.ZipFile(io.BytesIO(output.content)) as found:
        for name in ("Nord", "Süd"):
            sheet = CalamineWorkbook.from_filelike(found.open(f"{name}.xlsx")).get_sheet_by_index(0)
            assert sheet.to_python()[1][position("Name1")] == name


def test_an_entry_of_4_gib_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """R41: an archive that Excel would have to repair is never finished."""
    monkeypatch.setattr(LIMIT, 1000)
    archive = ZipStream(Pipe())
    archive.begin("large")
    archive.write(bytes(999))
    with pytest.raises(ArchiveTooLargeError):
        archive.write(bytes(1))


def test_an_archive_of_4_gib_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LIMIT, 300)
    archive = ZipStream(Pipe())
    for name in "abc":
        archive.add(name, name)
    with pytest.raises(ArchiveTooLargeError):
        archive.finish()


def test_an_archive_of_65535_entries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENTRIES_LIMIT, 3)
    archive = ZipStream(Pipe())
    for name in "ab":
        archive.add(name, name)
    with pytest.raises(ArchiveTooLargeError):
        archive.begin("c")
