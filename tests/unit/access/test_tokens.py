"""Tokens whose issuer rotates its keys, or does not answer."""

from __future__ import annotations

import pytest

from tests.issuer import AUDIENCE
from tests.issuer import Issuer as LocalIssuer
from tracesvc.access import oidc
from tracesvc.access.oidc import Issuer, TokenReader
from tracesvc.errors import IdentityUnavailable, SettingsError


async def test_a_rotated_key_is_found_and_the_old_one_is_no_longer_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oidc, "ASK_AGAIN_SECONDS", 0.0)
    with LocalIssuer() as issuer:
        tokens = TokenReader(Issuer(issuer.url, AUDIENCE))
        old = issuer.token()
        assert await tokens.caller(old)
        issuer.rotate()
        assert await tokens.caller(issuer.token())
        assert await tokens.caller(old) is None
        await tokens.aclose()


async def test_tokens_that_name_unknown_keys_do_not_make_us_ask_the_issuer_each_time() -> None:
    with LocalIssuer() as issuer:
        tokens = TokenReader(Issuer(issuer.url, AUDIENCE))
        assert await tokens.caller(issuer.token())
        asked = issuer.asked
        for number in range(3):
            assert await tokens.caller(issuer.forged(f"unknown-{number}")) is None
        assert issuer.asked == asked
        await tokens.aclose()


async def test_an_issuer_that_is_away_is_no_refusal_and_what_is_known_goes_on() -> None:
    with LocalIssuer() as issuer:
        tokens = TokenReader(Issuer(issuer.url, AUDIENCE))
        token = issuer.token()
        assert await tokens.caller(token)
        late = TokenReader(Issuer(issuer.url, AUDIENCE))
    assert await tokens.caller(token)
    with pytest.raises(IdentityUnavailable):
        await late.caller(token)
    await tokens.aclose()
    await late.aclose()


async def test_claims_may_be_dotted_paths() -> None:
    with LocalIssuer() as issuer:
        about = Issuer(issuer.url, AUDIENCE, "user.name", "realm_access.roles", "op")
        tokens = TokenReader(about)
        found = await tokens.caller(issuer.token(user={"name": "eva"}, realm_access={"roles": ["op"]}))
        await tokens.aclose()
    assert found is not None
    assert (found.name, found.role) == ("oidc:eva", "operator")


@pytest.mark.parametrize(
    ("url", "audience", "said"),
    [("http://idp.example", "x", "https"), ("https://idp.example", "", "AUDIENCE"), ("idp", "x", "https")],
)
def test_an_issuer_that_could_not_be_trusted_is_refused_at_the_start(
    url: str, audience: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        TokenReader(Issuer(url, audience))
