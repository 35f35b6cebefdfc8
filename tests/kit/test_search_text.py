"""How people are found: accents and case do not matter, nor how an umlaut is spelt (R20)."""

import unicodedata
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.search_text import search_patterns, search_text, text_keys

TENANT = UUID(int=1)


def finds(search: str, name: str, membership_number: str = "0042") -> bool:
    """Say what the database says; who is found has the keys, or an index would hide him."""
    text, patterns = search_text(name, membership_number), search_patterns(search)
    found = all(pattern in text for pattern in patterns)
    has_keys = keys("\n".join(patterns)) <= keys(text)
    assert has_keys or not found
    return found


def keys(text: str) -> set[int]:
    """Return the keys of one tenant."""
    return set(text_keys(TENANT, text))


@pytest.mark.parametrize(
    ("search", "name"),
    [
        ("müller", "Jörg Müller"),
        ("MUELLER", "Jörg Müller"),
        ("Muller", "Jörg Müller"),
        ("müller", "Joerg Mueller"),
        ("muller jorg", "Joerg Mueller"),
        ("ülle", "Mueller"),
        ("elle", "Müller"),
        ("groß", "Eva Gross"),
        ("GROSS", "Eva Groß"),
        ("josé", "Jose Garcia"),
        ("lodz", "Jan Łódź"),
        ("isik", "Ayşe Işık"),
        ("m", "Eva Muster"),
        ("Mü", "Eva Müller"),
        ("e mu", "Eva Muster"),
        ("li", "Li Wu"),
        ("004", "Eva Muster"),
        ("042", "Eva Muster"),
        ("muster 0042", "Eva Muster"),
        ("", "Eva Muster"),
        ("ivanov", "Иванов"),
    ],
)
def test_each_way_to_write_a_name_finds_it_r20(search: str, name: str) -> None:
    assert finds(search, name)


@pytest.mark.parametrize(
    ("search", "name"),
    [
        ("Meier", "Müller"),
        ("eva x", "Eva Muster"),
        ("043", "Eva Muster"),
        ("us", "Eva Muster"),
        ("v", "Eva Muster"),
        ("00", "Eva Muster"),
    ],
)
def test_others_are_not_found_r20(search: str, name: str) -> None:
    assert not finds(search, name)


@pytest.mark.parametrize("number", ["7", "42", "A 7", "AB 12 345"])
def test_a_short_number_is_found_as_a_whole_r20(number: str) -> None:
    assert finds(number, "Eva Muster", number)


@given(st.text(max_size=40), st.text(max_size=20))
def test_everybody_is_found_by_the_own_name_and_number_r20(name: str, number: str) -> None:
    for search in (name, name.upper(), name.lower(), unicodedata.normalize("NFD", name)):
        assert finds(search, name, number) or search.casefold() != name.casefold()
    assert finds(number, name, number)


@given(st.text(alphabet="abcdeouäöüßé -", max_size=20), st.data())
def test_each_part_of_three_letters_of_a_name_finds_it_r20(name: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(name)))
    end = data.draw(st.integers(start, len(name)))
    words = [word for word in name[start:end].split() if len(word) > 2]
    assert finds(" ".join(words), name)


@given(st.text(alphabet="abcü0- ", max_size=12), st.text(alphabet="abcü0- ", max_size=4))
def test_whoever_is_found_has_the_keys_r20(name: str, search: str) -> None:
    finds(search, name, name)


def test_keys_fit_the_database_and_are_a_tenants_own() -> None:
    text = search_text("Jörg Müller-Lüdenscheidt", "0000123")
    own, others = (set(text_keys(UUID(int=number), text)) for number in (1, 2))
    assert all(-(2**31) <= key < 2**31 for key in own | others)
    assert not own & others
