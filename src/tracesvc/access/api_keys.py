"""API keys and the file that they stand in.

A key reads `trace_{id}_{secret}`. The id finds its entry; of the secret, 256 random bits, the file holds only
a salted SHA-256: there is nothing to guess that a slow hash would protect, and a slow hash at the door would
let strangers burn our time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tracesvc import clock
from tracesvc.access.caller import Caller, RateClass, Role
from tracesvc.errors import SettingsError

PREFIX: Final = "trace_"
SECRET_BYTES: Final = 32
ID_BYTES: Final = 6
MAX_KEY_CHARACTERS: Final = 128
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
KEY: Final = re.compile(rf"{PREFIX}([0-9a-f]{{{2 * ID_BYTES}}})_([A-Za-z0-9_-]{{43}})")


class StoredKey(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=rf"^[0-9a-f]{{{2 * ID_BYTES}}}$")]
    name: Annotated[str, Field(pattern=NAME)]
    role: Role = "user"
    rate_class: RateClass = "standard"
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created_at: str

    def fits(self, secret: str) -> bool:
        """Whether the entry was made from this secret; takes the same time whatever differs."""
        return hmac.compare_digest(_digest(self.salt, secret), self.sha256)

    @property
    def caller(self) -> Caller:
        """Whom the key stands for."""
        return Caller(self.name, self.role, self.rate_class)


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    keys: list[StoredKey] = []


_NOBODY: Final = StoredKey(
    id="0" * 2 * ID_BYTES, name="nobody", salt="0" * 32, sha256="0" * 64, created_at=""
)


def make_key(name: str, role: Role, rate_class: RateClass) -> tuple[str, StoredKey]:
    """A new key, shown once and never kept, and its entry. Raises `SettingsError` for a name that is none."""
    if not re.fullmatch(NAME, name):
        raise SettingsError(
            "A key's name has 1 to 64 letters, digits and . _ @ - and begins with a letter or digit."
        )
    key_id, secret, salt = (
        secrets.token_hex(ID_BYTES),
        secrets.token_urlsafe(SECRET_BYTES),
        secrets.token_hex(16),
    )
    entry = StoredKey(
        id=key_id,
        name=name,
        role=role,
        rate_class=rate_class,
        salt=salt,
        sha256=_digest(salt, secret),
        created_at=clock.to_text(clock.now()),
    )
    return f"{PREFIX}{key_id}_{secret}", entry


def find_caller(keys: dict[str, StoredKey], presented: str) -> Caller | None:
    """Whose key it is. A key of nobody is hashed and compared all the same."""
    found = KEY.fullmatch(presented) if len(presented) <= MAX_KEY_CHARACTERS else None
    if found is None:
        return None
    entry = keys.get(found.group(1), _NOBODY)
    return entry.caller if entry.fits(found.group(2)) and entry is not _NOBODY else None


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + secret.encode()).hexdigest()


def read_keys(path: Path) -> list[StoredKey]:
    """The entries of the file. Raises `SettingsError` when it is no key file, and `OSError`."""
    try:
        keys = _Document.model_validate_json(path.read_bytes()).keys
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise SettingsError(f"{path} is no key file: {where}: {first['msg']}") from None
    if len({key.id for key in keys}) < len(keys):
        raise SettingsError(f"{path} is no key file: two keys have the same id")
    return keys


def write_keys(path: Path, keys: Sequence[StoredKey]) -> None:
    """Replace the file in one step, readable by its owner alone."""
    document = {"keys": [key.model_dump() for key in keys]}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
        if path.exists():  # a service of another user goes on reading what it could read
            known = path.stat()
            Path(name).chmod(known.st_mode & 0o777)
            if os.geteuid() == 0:
                os.chown(name, known.st_uid, known.st_gid)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def by_id(keys: Iterable[StoredKey]) -> dict[str, StoredKey]:
    """The keys as `find_caller` wants them."""
    return {key.id: key for key in keys}
