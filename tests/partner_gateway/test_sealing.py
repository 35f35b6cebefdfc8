"""Secrets at rest are sealed, and each says which key it needs (R50)."""

import pytest
from cryptography.fernet import Fernet

from partner_gateway.sealing import NotOpenedError, Seal

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


def test_the_first_key_seals_and_every_key_opens() -> None:
    sealed = Seal([OLD]).close("whsec_text")
    assert b"whsec_text" not in sealed
    assert Seal([NEW, OLD]).open(sealed) == "whsec_text"
    assert Seal([NEW]).open(Seal([NEW, OLD]).close("whsec_text")) == "whsec_text"


def test_what_no_key_opens_is_said_without_its_content() -> None:
    sealed = Seal([OLD]).close("whsec_text")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for seal, value in ((Seal([NEW, OTHER]), sealed), (Seal([OLD]), changed), (Seal([OLD]), b"")):
        with pytest.raises(NotOpenedError) as error:
            seal.open(value)
        assert str(error.value) == ""
        with pytest.raises(NotOpenedError):
            seal.renew(value)


def test_only_what_an_older_key_seals_is_sealed_anew() -> None:
    rotated = Seal([NEW, OLD])
    current, older = rotated.close("one"), Seal([OLD]).close("two")
    assert rotated.renew(current) is current
    assert Seal([NEW]).open(rotated.renew(older)) == "two"


def test_the_id_of_a_key_is_its_own_and_tells_nothing_of_it() -> None:
    assert Seal([OLD, NEW]).key_id == Seal([OLD]).key_id != Seal([NEW]).key_id
    assert len(bytes.fromhex(Seal([OLD]).key_id)) == 8
    known = Seal(["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="])
    assert known.key_id == "66687aadf862bd77", "SHA-256 of 32 octets of zero"
