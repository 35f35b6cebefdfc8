"""Checks of bank details and VAT numbers: what they find is counted, never refused (R40).

A member's claim is not less owed because somebody mistyped an IBAN: the wrong text is handed over
as it stands, and a counter tells the people who run the service how often that happens.
"""

import re
import string

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_LETTERS_AS_NUMBERS = str.maketrans(
    {letter: str(number) for number, letter in enumerate(string.ascii_uppercase, start=10)}
)
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")

# Structure of the numbers by country as the European Commission's VIES states it (Greece is EL
# there, Northern Ireland XI), and Switzerland's as its UID register does.
_VAT_NUMBERS = {
    "AT": r"U[0-9]{8}",
    "BE": r"[01][0-9]{9}",
    "BG": r"[0-9]{9,10}",
    "CH": r"E[0-9]{9}(?:MWST|TVA|IVA)?",
    "CY": r"[0-9]{8}[A-Z]",
    "CZ": r"[0-9]{8,10}",
    "DE": r"[0-9]{9}",
    "DK": r"[0-9]{8}",
    "EE": r"[0-9]{9}",
    "EL": r"[0-9]{9}",
    "ES": r"[A-Z0-9][0-9]{7}[A-Z0-9]",
    "FI": r"[0-9]{8}",
    "FR": r"[A-Z0-9]{2}[0-9]{9}",
    "GB": r"(?:[0-9]{9}|[0-9]{12}|GD[0-9]{3}|HA[0-9]{3})",
    "HR": r"[0-9]{11}",
    "HU": r"[0-9]{8}",
    "IE": r"(?:[0-9][A-Z0-9+*][0-9]{5}[A-Z]|[0-9]{7}[A-Z]{2})",
    "IT": r"[0-9]{11}",
    "LT": r"(?:[0-9]{9}|[0-9]{12})",
    "LU": r"[0-9]{8}",
    "LV": r"[0-9]{11}",
    "MT": r"[0-9]{8}",
    "NL": r"[A-Z0-9+*]{12}",
    "PL": r"[0-9]{10}",
    "PT": r"[0-9]{9}",
    "RO": r"[0-9]{2,10}",
    "SE": r"[0-9]{12}",
    "SI": r"[0-9]{8}",
    "SK": r"[0-9]{10}",
    "XI": r"(?:[0-9]{9}|[0-9]{12}|GD[0-9]{3}|HA[0-9]{3})",
}
_VAT = re.compile("|".join(f"{country}{number}" for country, number in _VAT_NUMBERS.items()))


def is_iban(text: str) -> bool:
    """Whether the text is an IBAN by shape and by its check digits (ISO 13616, mod-97).

    Spaces, as people group the digits, do not matter.
    """
    iban = text.replace(" ", "")
    if not _IBAN.fullmatch(iban):
        return False
    account, country, check_digits = iban[4:], iban[:2], iban[2:4]
    if not account.isdigit():
        account = account.translate(_LETTERS_AS_NUMBERS)
    return int(account + country.translate(_LETTERS_AS_NUMBERS) + check_digits) % 97 == 1


def is_bic(text: str) -> bool:
    """Whether the text is a BIC by shape: 8 or 11 characters (ISO 9362)."""
    return _BIC.fullmatch(text) is not None


def is_vat_number(text: str) -> bool:
    """Whether the text has the structure of its country's VAT number.

    Spaces, dots and dashes, as people group the digits, do not matter.
    """
    return _VAT.fullmatch(re.sub(r"[ .-]", "", text)) is not None
