"""Rows of texts for the writers: plain ones, and ones that hypothesis makes up."""

from datetime import date

from hypothesis import strategies as st

from export_service.rendering.columns import Column, Kind
from export_service.runs.columns import COLUMNS

PLAIN = {
    Kind.TEXT: "Text",
    Kind.PHONES: "+49 351 1234,+49 351 5678",
    Kind.ENUM: "FLAT_FEE",
    Kind.DATE: "2026-03-02",
    Kind.DECIMAL: "19.90",
    Kind.BOOL: "true",
}

texts = st.one_of(
    st.text(st.characters(categories=None), max_size=30),  # lone surrogates and all
    st.text(
        "=+-@'\t\r\n＝＋－＠ 0A\"<>&_x04F,;\x00\x01\x1f\ufffe\ud800\udfff\U0001f600", max_size=12
    ),
    st.from_regex(r"\A_x[0-9A-Fa-f]{4}_\Z"),
    st.from_regex(r"\A\+?[0-9 ]{1,15}\Z"),
)
_dates = st.one_of(st.just(""), st.dates().map(date.isoformat))
_amounts = st.one_of(
    st.just(""), st.decimals("0", "999999999999.99", places=2).map(lambda d: f"{d:.2f}")
)
_OF_KIND = {
    Kind.TEXT: texts,
    Kind.PHONES: texts,
    Kind.ENUM: st.sampled_from(["", "RUN", "FLAT_FEE"]),
    Kind.DATE: _dates,
    Kind.DECIMAL: _amounts,
    Kind.BOOL: st.sampled_from(["", "true", "false"]),
}

COLUMNS_OF_EACH_KIND: tuple[Column, ...] = tuple(
    column
    for column in COLUMNS
    if column.name
    in {
        "MatchCode",
        "Type",
        "VoucherDate",
        "Amount",
        "PreTaxAttribute",
        "Designation",
        "Birthdate",
        "ContactNumbers",
    }
)
rows = st.lists(st.tuples(*(_OF_KIND[column.kind] for column in COLUMNS_OF_EACH_KIND)), max_size=4)


def plain_row(**texts_of_columns: str) -> list[str]:
    """A row of all columns, with these texts in the columns that are named."""
    return [texts_of_columns.get(column.name, PLAIN[column.kind]) for column in COLUMNS]


def position(name: str) -> int:
    """Where the column with this name stands, from 0."""
    return [column.name for column in COLUMNS].index(name)
