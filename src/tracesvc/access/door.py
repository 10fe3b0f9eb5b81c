"""The door: who is let in, by which credential."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Final

from tracesvc.access.api_keys import PREFIX
from tracesvc.access.caller import ANYONE, Caller
from tracesvc.access.key_file import KeyFile
from tracesvc.access.oidc import Issuer, TokenReader
from tracesvc.errors import SettingsError, Unauthenticated
from tracesvc.settings import Settings

BEARER: Final = "bearer"
CHALLENGE: Final = 'Bearer realm="tracesvc"'
HOW: Final = "Send an API key or a token of your sign-in service: `Authorization: Bearer …`."


class Door:
    """Admits callers by API key or token; without both configured, everybody as one."""

    def __init__(self, keys: KeyFile | None = None, tokens: TokenReader | None = None) -> None:
        self._keys = keys
        self._tokens = tokens

    @property
    def locked(self) -> bool:
        """Whether a credential is needed."""
        return self._keys is not None or self._tokens is not None

    @property
    def ways(self) -> list[str]:
        """How one can sign in: `key`, `oidc`."""
        return [name for name, way in (("key", self._keys), ("oidc", self._tokens)) if way is not None]

    async def admit(self, authorization: str | None, api_key: str | None) -> Caller:
        """Who asks, by the values of the headers `Authorization` and `X-API-Key`.

        Raises `Unauthenticated`, and `IdentityUnavailable` when the issuer of tokens does not answer.
        """
        if not self.locked:
            return ANYONE
        scheme, _, credential = (authorization or "").strip().partition(" ")
        presented = api_key or (credential.strip() if scheme.lower() == BEARER else "")
        if not presented:
            raise Unauthenticated(f"This needs a credential. {HOW}", headers={"WWW-Authenticate": CHALLENGE})
        caller = await self._find(presented)
        if caller is None:
            raise Unauthenticated(
                f"The credential is not valid: mistyped, revoked or expired. {HOW}",
                headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'},
            )
        return caller

    async def _find(self, presented: str) -> Caller | None:
        if presented.startswith(PREFIX):
            return self._keys.caller(presented) if self._keys else None
        return await self._tokens.caller(presented) if self._tokens else None

    async def aclose(self) -> None:
        """Close what was opened to check tokens."""
        if self._tokens is not None:
            await self._tokens.aclose()


def open_door(settings: Settings) -> Door:
    """The door as configured. Raises `SettingsError` when it could not keep anybody out."""
    check_exposure(settings)
    keys = KeyFile(Path(settings.trace_api_keys_file)) if settings.trace_api_keys_file else None
    tokens = None
    if settings.trace_oidc_issuer:
        issuer = Issuer(
            url=settings.trace_oidc_issuer,
            audience=settings.trace_oidc_audience,
            name_claim=settings.trace_oidc_name_claim,
            role_claim=settings.trace_oidc_role_claim,
            operator_role=settings.trace_oidc_operator_role,
        )
        tokens = TokenReader(issuer)
    return Door(keys, tokens)


def check_exposure(settings: Settings) -> None:
    """Raise `SettingsError` when others could reach the API and nothing would ask who they are."""
    if settings.trace_api_keys_file or settings.trace_oidc_issuer or settings.trace_insecure:
        return
    if not _is_loopback(settings.trace_host):
        raise SettingsError(
            f"{settings.trace_host} can be reached from other machines, and nothing asks who they are. "
            "Make keys (`tracesvc keys add NAME`, TRACE_API_KEYS_FILE), name an issuer of tokens "
            "(TRACE_OIDC_ISSUER), or, where something in front checks who asks, say TRACE_INSECURE=true."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
