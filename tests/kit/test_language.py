"""What people read is in the language that they like best."""

import pytest

from kit.language import preferred


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ("de", "de"),
        ("en-GB, de;q=0.9", "en"),
        ("fr, en;q=0.4, de-AT;q=0.5", "de"),
        ("DE;Q=1.0", "de"),
        ("en;q=0", "fr"),
        ("en;q=much, de;q=0.1", "de"),
        ("fr", "fr"),
        ("*", "fr"),
        ("", "fr"),
        (";;,=,q", "fr"),
    ],
)
def test_the_language_liked_best_is_chosen_of_those_offered(
    accept_language: str, language: str
) -> None:
    assert preferred(accept_language, ("de", "en"), "fr") == language
