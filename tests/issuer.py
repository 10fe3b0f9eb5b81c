"""An issuer of OpenID Connect tokens on 127.0.0.1: discovery, keys, and tokens good and bad."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

AUDIENCE: Final = "tracesvc"


class Issuer:
    """Serves its keys inside the block; `rotate` replaces them."""

    def __init__(self) -> None:
        self._keys = [_new_key("one")]
        self.asked = 0
        self._challenge = ""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/authorize?"):
                    self.send_response(302)
                    self.send_header("Location", issuer.authorized(self.path))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                else:
                    self._answer(issuer.document(self.path))

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._answer(issuer.exchanged(dict(parse_qsl(form))))

            def _answer(self, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Access-Control-Allow-Origin", "*")  # a page asks from its own origin
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def document(self, path: str) -> dict[str, Any]:
        """What it answers with."""
        self.asked += 1
        if path.endswith("/openid-configuration"):
            places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            return {"issuer": self.url} | {name: f"{self.url}/{path}" for name, path in places.items()}
        return {"keys": [key.as_dict(private=False) for key in self._keys]}

    def authorized(self, path: str) -> str:
        """Where the browser goes once somebody has signed in, which here takes nobody any time."""
        asked = dict(parse_qsl(urlsplit(path).query))
        assert asked["response_type"] == "code"
        self._challenge = asked["code_challenge"]
        return f"{asked['redirect_uri']}?{urlencode({'code': 'abc', 'state': asked['state']})}"

    def exchanged(self, form: dict[str, str]) -> dict[str, Any]:
        """The tokens for a code, when the verifier fits the challenge (RFC 7636)."""
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        fits = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self._challenge
        if not fits or form["code"] != "abc":
            return {"error": "invalid_grant"}
        id_token = self.token(aud=form["client_id"])
        return {"access_token": self.token(), "id_token": id_token, "token_type": "Bearer", "expires_in": 600}

    def rotate(self) -> None:
        """Sign with a new key from now on; the old one is no longer offered."""
        self._keys = [_new_key(f"later-{len(self._keys)}-{time.monotonic_ns()}")]

    def claims(self, **other: Any) -> dict[str, Any]:
        """Those of a good token, `other` ones instead; times are seconds from now; None leaves one out."""
        now = int(time.time())
        claims: dict[str, Any] = {"iss": self.url, "aud": AUDIENCE, "sub": "dora", "exp": 600} | other
        times = {name: now + claims[name] for name in ("exp", "nbf") if claims.get(name) is not None}
        return {name: value for name, value in (claims | times).items() if value is not None}

    def token(self, **claims: Any) -> str:
        """A token with these claims, signed as it should be."""
        return _sign(self._keys[0], self.claims(**claims))

    def headers(self, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(**claims)}"}

    def forged(self, kid: str | None = None) -> str:
        """Signed by somebody else, who says that it is the issuer's key, or one that the issuer has not."""
        return _sign(_new_key(kid or str(self._keys[0].kid)), self.claims())

    def altered(self, **claims: Any) -> str:
        """A good token's signature under other claims."""
        head, _, signature = self.token().split(".")
        return f"{head}.{_encode(self.claims(**claims))}.{signature}"

    def unsigned(self) -> str:
        return f"{_encode({'alg': 'none', 'typ': 'JWT'})}.{_encode(self.claims())}."

    def confused(self) -> str:
        """HS256 with the public key, which everybody has, as the secret."""
        head = _encode({"alg": "HS256", "typ": "JWT", "kid": self._keys[0].kid})
        signed = f"{head}.{_encode(self.claims())}"
        digest = hmac.new(self._keys[0].as_pem(private=False), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": kid, "use": "sig"})


def _sign(key: RSAKey, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def _encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
