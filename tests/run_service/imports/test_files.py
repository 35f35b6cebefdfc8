"""What is wrong in a file is named by row and column, and never repeated (R12, R63)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_service.imports import check_imports as checking
from run_service.imports import store
from run_service.imports.columns import COLUMNS
from run_service.imports.csv_reading import BROKEN_QUOTES, LONGEST_RECORD, UNCLOSED
from run_service.imports.kinds import Kind
from run_service.imports.rows import RowReader
from tests.run_service.imports.desk import CLAIM, MEMBER, STUDIO, Desk, files_of, table

TOO_LONG = "Ö" * 300


@pytest.mark.parametrize(
    ("changed", "column", "message"),
    [
        ({"deducts_input_vat": "vielleicht"}, "deducts_input_vat", "Must be true or false"),
        ({"name1": TOO_LONG}, "name1", "Must have at most 200 characters"),
        ({"Matchcode": TOO_LONG}, "Matchcode", "Must have at most 200 characters"),
        ({"studio_number": "9" * 61}, "studio_number", "Must have at most 60 characters"),
        ({"person_type": "Verein"}, "person_type", "Must be one of: company, person, firma"),
        ({"time_zone": "Mars"}, "time_zone", "Must be an IANA time zone"),
        ({"Länderkürzel": "DEU"}, "Länderkürzel", "Must be the two letters"),
        ({"iban": TOO_LONG}, "iban", "Must have at most 42 characters"),
        ({"Telefon": "|".join("1" * 21)}, "Telefon", "Must not be more than 20"),
        ({"email": "a\x00b"}, "email", "Holds a NUL character"),
    ],
)
async def test_a_bad_cell_of_a_studio_is_named(
    desk: Desk, changed: dict[str, str], column: str, message: str
) -> None:
    checked = await desk.check(studios=table(STUDIO, {**STUDIO, "studio_number": "S2", **changed}))
    ((file, row, named, said),) = await desk.errors(checked)
    assert (file, row, named) == ("studios", 3, column)
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("changed", "column", "message"),
    [
        ({"birth_date": "31.02.1990"}, "birth_date", "The calendar has no such day"),
        ({"Geburtsdatum": "morgen"}, "Geburtsdatum", "Must be a day like"),
        ({"sex": "x"}, "sex", "Must be one of"),
        ({"Mahnstufe": "drei"}, "Mahnstufe", "Must be a whole number"),
        ({"blocked_until": "2027-01-01"}, "blocked_reason", "Must not be empty: other cells"),
        ({"guardian_city": "Ulm"}, "guardian_name1", "Must not be empty: other cells"),
        (
            {"Nachname Vertreter": "", "Ort Vertreter": "Ulm"},
            "Nachname Vertreter",
            "Must not be empty: other cells",
        ),
        ({"mandate_signed_on": "2025-01-01"}, "mandate_reference", "Must not be empty: other"),
        ({"contract_ended_on": "2025-01-01"}, "contract_started_on", "Must not be empty: other"),
        ({"studio_number": ""}, "studio_number", "Must not be empty"),
        ({"email": TOO_LONG}, "email", "Must have at most 254 characters"),
    ],
)
async def test_a_bad_cell_of_a_member_is_named(
    desk: Desk, changed: dict[str, str], column: str, message: str
) -> None:
    members = table(MEMBER, {**MEMBER, "membership_number": "2", **changed})
    checked = await desk.check(studios=table(STUDIO), members=members)
    ((file, row, named, said),) = await desk.errors(checked)
    assert (file, row, named) == ("members", 3, column)
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("changed", "column", "message"),
    [
        ({"amount": "1.234"}, "amount", "Thousands or decimals?"),
        ({"amount": "-5"}, "amount", "Must not be negative"),
        ({"amount": ""}, "amount", "Must not be empty"),
        ({"Direkt bezahlt": "viel"}, "Direkt bezahlt", "Must be an amount like"),
        ({"currency": "JPY"}, "currency", "Must be the three letters of a currency"),
        ({"kind": "FEE 1"}, "kind", "Must be a word like"),
        ({"due_date": "15.1.26"}, "due_date", "Must be a day like"),
        ({"cancelled": "-"}, "cancelled", "Must be true or false"),
        ({"Leistung von": "2026-01-01"}, "service_period_ends_on", "Must not be empty: other"),
        ({"designation": TOO_LONG}, "designation", "Must have at most 200 characters"),
    ],
)
async def test_a_bad_cell_of_a_claim_is_named(
    desk: Desk, changed: dict[str, str], column: str, message: str
) -> None:
    claims = table(CLAIM, {**CLAIM, "claim_number": "F2", **changed})
    checked = await desk.check(studios=table(STUDIO), members=table(MEMBER), claims=claims)
    ((file, row, named, said),) = await desk.errors(checked)
    assert (file, row, named) == ("claims", 3, column)
    assert said.startswith(message)


async def test_each_bad_cell_of_a_row_is_named_and_the_row_counted_once(desk: Desk) -> None:
    bad = {**CLAIM, "amount": "x", "due_date": "y", "designation": ""}
    checked = await desk.check(studios=table(STUDIO), members=table(MEMBER), claims=table(bad))
    assert [column for _, _, column, _ in await desk.errors(checked)] == [
        "designation",
        "due_date",
        "amount",
    ]
    assert files_of(checked, "bad")[-1] == ("claims", 1)
    assert checked["errors"] == 3


async def test_rows_are_counted_as_a_spreadsheet_does(desk: Desk) -> None:
    """Blank rows count, and a line break within a cell is none."""
    content = (
        "studio_number;name1;deducts_input_vat\r\n"
        'S1;"Studio\r\nSüd";ja\r\n'
        "\r\n"
        ";;\r\n"
        "S2;;ja\r\n"
        '"S3;x";"a "b"";ja\r\n'
        "S4;Name;ja;;\r\n"
        "S5;Name;ja;mehr\r\n"
        "S6;Name\r\n"
    )
    checked = await desk.check(studios=content)
    assert await desk.errors(checked) == [
        ("studios", 5, "name1", "Must not be empty"),
        ("studios", 6, None, BROKEN_QUOTES),
        ("studios", 8, None, "There are more cells than headings"),
        ("studios", 9, "deducts_input_vat", "Must not be empty"),
    ]
    assert files_of(checked, "rows", "good", "bad") == [("studios", 6, 2, 4)]


async def test_something_below_no_heading_is_named(desk: Desk) -> None:
    content = "studio_number;;name1;deducts_input_vat;\nS1;;A;ja;\nS2;x;A;ja;\n"
    checked = await desk.check(studios=content)
    assert await desk.errors(checked) == [
        ("studios", 3, None, "There is something in column 2, without a heading")
    ]


async def test_letters_of_another_encoding_are_named(desk: Desk) -> None:
    """A file that is neither all UTF-8 nor all Windows-1252 would spoil names without a word."""
    head = b"studio_number;name1;deducts_input_vat\n"
    mixed = head + "S1;Süd;ja\n".encode("cp1252") + "S2;Süd;ja\n".encode() + b"S3;\x81;ja\n"
    marked = b"\xef\xbb\xbf" + head + b"S1;S\xfcd;ja\n"
    neither = "Holds a character that is neither UTF-8 nor Windows-1252"
    assert await desk.errors(await desk.check(studios=mixed)) == [
        ("studios", 3, "name1", "Is in UTF-8, but other cells of the file are in Windows-1252"),
        ("studios", 4, "name1", neither),
    ]
    assert await desk.errors(await desk.check(studios=marked)) == [("studios", 2, "name1", neither)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", [(1, None, "The file is empty")]),
        ("\ufeff\r\n", [(1, None, "The file is empty")]),
        ("S1;Studio Süd;ja\n", [(1, None, "Row 1 must hold the headings of studios")]),
        (
            "studio_number;Name;Farbe;Name\n",
            [
                (1, "deducts_input_vat", "The column is missing"),
                (1, "Farbe", "There is no such column"),
                (1, "name1", "The column is there more than once"),
            ],
        ),
        (
            "studio_number;Name;name1;deducts_input_vat\n",
            [(1, "name1", "The column is there more than once")],
        ),
        ("PK\x03\x04\x00\x00", [(1, None, "Row 1 must hold the headings of studios")]),
        ('"studio_number', [(1, None, UNCLOSED)]),
        ("x" * 2 * LONGEST_RECORD, [(1, None, UNCLOSED)]),
        (
            'studio_number;name1;deducts_input_vat\nS1;"A;ja\n' + "S2;B;ja\n" * 100_000,
            [(2, None, UNCLOSED)],
        ),
        (
            f"studio_number;name1;deducts_input_vat\nS1;A;ja\nS2;{'B' * 2 * LONGEST_RECORD};ja\n",
            [(3, None, UNCLOSED)],
        ),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused(
    desk: Desk, content: str, expected: list[tuple[int, str | None, str]]
) -> None:
    refused = await desk.check(studios=content)
    assert refused["status"] == "REFUSED"
    assert await desk.errors(refused) == [("studios", *each) for each in expected]
    assert (await desk.order(refused)).status_code == 409
    assert await desk.count("import_pieces") == await desk.count("import_rows") == 0


async def test_utf_16_is_named_for_what_it_is(desk: Desk) -> None:
    refused = await desk.check(studios=table(STUDIO).encode("utf-16"))
    assert await desk.errors(refused) == [
        ("studios", 1, None, "The file is in UTF-16: save it as CSV in UTF-8")
    ]


async def test_headings_of_all_files_are_checked_at_once(desk: Desk) -> None:
    refused = await desk.check(studios=table({"Name": "x"}), members="?", claims=table(CLAIM))
    assert [(file, column) for file, _, column, _ in await desk.errors(refused)] == [
        ("studios", "studio_number"),
        ("studios", "deducts_input_vat"),
        ("members", None),
    ]


async def test_a_file_with_headings_only_has_no_row(desk: Desk) -> None:
    published = await desk.bring_in(studios="studio_number;name1;deducts_input_vat")
    assert files_of(published, "rows", "published") == [("studios", 0, 0)]


async def test_a_cell_that_is_too_long_spoils_its_row_only(desk: Desk) -> None:
    long = {**STUDIO, "studio_number": "S2", "name2": "B" * 140_000}
    checked = await desk.check(studios=table(STUDIO, long, {**STUDIO, "studio_number": "S3"}))
    assert await desk.errors(checked) == [("studios", 3, None, BROKEN_QUOTES)]
    assert files_of(checked, "good", "bad") == [("studios", 2, 1)]


async def test_a_file_of_too_many_rows_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MOST_ROWS", 3)
    rows = [{**STUDIO, "studio_number": str(number)} for number in range(4)]
    assert (await desk.check(studios=table(*rows[:3])))["status"] == "CHECKED"
    refused = await desk.check(studios=table(*rows))
    assert await desk.errors(refused) == [("studios", 5, None, "There are more than 3 rows")]


async def test_errors_beyond_those_that_are_kept_are_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_FAULTS", 5)
    rows = [{**STUDIO, "studio_number": str(number), "name1": ""} for number in range(4)]
    members = [
        {**MEMBER, "membership_number": str(number), "studio_number": "?"} for number in range(9)
    ]
    checked = await desk.check(studios=table(*rows), members=table(*members))
    errors = await desk.errors(checked)
    assert [(file, row) for file, row, _, _ in errors] == [
        *(("studios", row) for row in range(2, 6)),
        ("members", 2),
    ]
    assert checked["errors"] == 4 + 9
    assert files_of(checked, "bad") == [("studios", 4), ("members", 9)]


async def test_errors_come_by_file_and_row_page_by_page(desk: Desk) -> None:
    studios = [{**STUDIO, "studio_number": str(number), "name1": ""} for number in range(5)]
    members = [{**MEMBER, "membership_number": "1", "name1": "", "sex": "x"}] * 3
    checked = await desk.check(members=table(*members), studios=table(*studios))
    found, cursor = [], ""
    while True:
        path = f"/imports/{checked['import_id']}/errors?limit=3{cursor}"
        page = await desk.world.get(path)
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(found) == checked["errors"]
    places = [(["studios", "members"].index(each["file"]), each["row"]) for each in found]
    assert places == sorted(places)


@given(st.sampled_from(Kind), st.data())
def test_any_cells_are_read_or_named(kind: Kind, data: st.DataObject) -> None:
    """A row that nobody thought of must not stop the imports of all tenants."""
    headings = [data.draw(st.sampled_from((each.name, each.german))) for each in COLUMNS[kind]]
    likely = st.sampled_from(["", " ", "1", "ja", "1.1.2026", "DE", "|", "EUR", str(UUID(int=7))])
    cells = data.draw(st.lists(likely | st.text(max_size=3), max_size=len(headings) + 2))
    row = RowReader(kind, headings, data.draw(st.sampled_from(["utf-8", "cp1252"]))).read(7, cells)
    assert (row.snapshot is None) == bool(row.faults)
    assert all(fault.row == 7 for fault in row.faults)
    assert not any(set(name) & set("\x00") for name in row.names.values())


def test_no_error_repeats_what_stands_in_the_file() -> None:
    """R63"""
    secret = "Erika Mustermann-Geheim " * 20
    for kind in Kind:
        names = [column.name for column in COLUMNS[kind]]
        row = RowReader(kind, names, "utf-8").read(2, [secret] * len(names))
        assert row.snapshot is None
        assert row.faults
        assert all("Mustermann" not in fault.message for fault in row.faults)
