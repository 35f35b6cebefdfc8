"""How members are found: accents and case do not matter, nor how an umlaut is spelt (R6)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_service.candidates.search_text import search_text, search_words, spell_out


def finds(query: str, name: str, membership_number: str = "0042") -> bool:
    """Say what the database says: whether each word is a part of the text."""
    text = search_text(name, membership_number)
    return all(word in text for word in search_words(query))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("müller", "Jörg Müller"),
        ("MUELLER", "Jörg Müller"),
        ("Muller", "Jörg Müller"),
        ("müller", "Joerg Mueller"),
        ("muller jorg", "Joerg Mueller"),
        ("Joerg Muller", "Jörg Müller"),
        ("ülle", "Mueller"),
        ("eller", "Müller"),
        ("elle", "Mueller"),
        ("groß", "Eva Gross"),
        ("gross", "Eva Groß"),
        ("GROSS", "Eva Groß"),
        ("jose garcia", "José García"),
        ("josé", "Jose Garcia"),
        ("lodz", "Jan Łódź"),
        ("orsted", "Hans Ørsted"),
        ("isik", "Ayşe Işık"),
        ("strasse", "Straße & Söhne GmbH"),
        ("söhne", "Straße & Soehne GmbH"),
        ("42", "Eva Muster"),
        ("004", "Eva Muster"),
        ("muster 0042", "Eva Muster"),
        ("", "Eva Muster"),
        ("ivanov", "Иванов"),
    ],
)
def test_each_way_to_write_a_name_finds_it_r6(query: str, name: str) -> None:
    assert finds(query, name)


@pytest.mark.parametrize(
    ("query", "name"), [("Meier", "Müller"), ("eva x", "Eva Muster"), ("43", "Eva Muster")]
)
def test_other_names_are_not_found_r6(query: str, name: str) -> None:
    assert not finds(query, name)


@given(st.text(max_size=40), st.text(max_size=20))
def test_everybody_is_found_by_the_own_name_and_number_r6(name: str, number: str) -> None:
    for query in (name, name.upper(), name.lower(), unicodedata.normalize("NFD", name)):
        assert finds(query, name, number) or query.casefold() != name.casefold()
    assert finds(number, name, number)


@given(st.text(alphabet="abcdeouäöüßé -", max_size=20), st.data())
def test_each_part_of_a_name_finds_it_r6(name: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(name)))
    end = data.draw(st.integers(start, len(name)))
    assert finds(name[start:end], name)


def test_names_stand_where_people_look_for_them() -> None:
    names = ["Zander", "de Boer", "Özdemir", "Abel", "Äbele", "oppel"]
    assert sorted(names, key=spell_out) == [
        "Abel",
        "Äbele",
        "de Boer",
        "Özdemir",
        "oppel",
        "Zander",
    ]
