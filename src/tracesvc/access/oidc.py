"""OpenID Connect bearer tokens: signed by the issuer, meant for us, still valid (RFC 7519, RFC 9068).

joserfc does the cryptography. The issuer's keys are found by discovery, kept, and asked for again when
a token names one that is not among them: that is how issuers rotate.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from tracesvc.access.caller import Caller
from tracesvc.errors import IdentityUnavailable, SettingsError

logger = logging.getLogger(__name__)

# Signatures with the issuer's public key only: with HS256 in the list, that key would be a shared secret.
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
FRESH_SECONDS: Final = 600.0
ASK_AGAIN_SECONDS: Final = 10.0
FETCH_SECONDS: Final = 5.0
MAX_DOCUMENT_BYTES: Final = 1024 * 1024
MAX_TOKEN_CHARACTERS: Final = 16_384
MAX_NAME_CHARACTERS: Final = 128
LEEWAY_SECONDS: Final = 30
NAMESPACE: Final = "oidc:"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are taken, and which claims say who and what a caller is; claims may be dotted paths."""

    url: str
    audience: str
    name_claim: str = "sub"
    role_claim: str = "roles"
    operator_role: str = "tracesvc-operator"

    def check(self) -> None:
        """Raises `SettingsError` for an issuer that could not be trusted."""
        url = httpx.URL(self.url)
        if url.scheme != "https" and not _is_local(url.host):
            raise SettingsError("TRACE_OIDC_ISSUER must be an https:// address: keys come from there.")
        if not self.audience:
            raise SettingsError(
                "TRACE_OIDC_AUDIENCE is empty. Without it, a token that was made for any other service "
                "of the same issuer would open this one."
            )


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class TokenReader:
    """Reads tokens of one issuer."""

    def __init__(self, issuer: Issuer) -> None:
        """Raises `SettingsError` for an issuer that could not be trusted. Connects when first used."""
        issuer.check()
        self._issuer = issuer
        self._http = httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False)
        self._jwks_url = ""
        self._keys: KeySet | None = None
        self._fetched = self._asked = -FRESH_SECONDS
        self._lock = asyncio.Lock()
        self._claims = JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer.url},
            aud={"essential": True, "value": issuer.audience},
            exp={"essential": True},
        )

    async def aclose(self) -> None:
        """Close the connections to the issuer."""
        await self._http.aclose()

    async def caller(self, token: str) -> Caller | None:
        """Whom the token stands for, or None. Raises `IdentityUnavailable` when no key can be had."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            return None
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
            if header.get("alg") not in ALGORITHMS:
                return None
            keys = await self._keys_with(header.get("kid"))
            claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
            self._claims.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        return self._caller_of(claims)

    def _caller_of(self, claims: Mapping[str, Any]) -> Caller | None:
        name = _claim(claims, self._issuer.name_claim)
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
            logger.warning("a token of the issuer has no usable claim %s", self._issuer.name_claim)
            return None
        roles = _claim(claims, self._issuer.role_claim)
        operator = self._issuer.operator_role in (roles if isinstance(roles, list) else [roles])
        return Caller(NAMESPACE + name, "operator" if operator else "user")

    async def _keys_with(self, kid: object) -> KeySet:
        """The issuer's keys, fetched anew when they are old, or lack the one that is named."""
        async with self._lock:
            now = time.monotonic()
            lacks = self._keys is None or not any(kid is None or key.kid == kid for key in self._keys.keys)
            if (lacks or now - self._fetched > FRESH_SECONDS) and now - self._asked > ASK_AGAIN_SECONDS:
                self._asked = now
                try:
                    self._keys = await self._fetch()
                    self._fetched = now
                except (httpx.HTTPError, ValueError, KeyError, TypeError, JoseError) as error:
                    logger.warning("the issuer's keys cannot be had: %s", type(error).__name__)
            if self._keys is None:
                raise IdentityUnavailable(
                    "The sign-in service does not answer, so tokens cannot be checked now. Try again soon."
                )
            return self._keys

    async def _fetch(self) -> KeySet:
        if not self._jwks_url:
            about = await self._get(self._issuer.url.rstrip("/") + "/.well-known/openid-configuration")
            if about["issuer"] != self._issuer.url:
                raise ValueError("the discovery document is another issuer's")
            url = httpx.URL(about["jwks_uri"])
            if url.scheme != "https" and not _is_local(url.host):
                raise ValueError("the issuer's keys are not offered over https")
            self._jwks_url = str(url)
        document = await self._get(self._jwks_url)
        usable = [key for key in document["keys"] if key.get("kty") in {"RSA", "EC", "OKP"}]
        return KeySet.import_key_set({"keys": usable})

    async def _get(self, url: str) -> Any:  # noqa: ANN401 - a JSON document
        async with self._http.stream("GET", url) as response:
            response.raise_for_status()
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise ValueError("the issuer's answer is too large")
        return httpx.Response(200, content=bytes(body)).json()


def _claim(claims: Mapping[str, Any], path: str) -> object:
    """A claim by its name, or by a dotted path (`realm_access.roles`)."""
    if path in claims:
        return claims[path]
    found: object = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
