"""`tracesvc keys`: make, list and revoke API keys. A running service sees a change within a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracesvc.errors import SettingsError

if TYPE_CHECKING:
    from tracesvc.access.api_keys import StoredKey

_file = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The key file (TRACE_API_KEYS_FILE).",
)


@click.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["user", "operator", "monitor"]),
    default="user",
    show_default=True,
    help="user: its own jobs; operator: everybody's; monitor: /metrics and /readyz only.",
)
@click.option(
    "--rate-class",
    type=click.Choice(["standard", "high", "unlimited"]),
    default="standard",
    show_default=True,
    help="standard: the rate limits as set; high: ten times as much.",
)
@_file
def add(name: str, role: str, rate_class: str, path: Path | None) -> None:
    """Make a key for NAME and print it, once: the file holds only a hash.

    Two keys of one NAME are one caller, so that a key can be replaced without a gap.
    """
    from tracesvc.access.api_keys import make_key, write_keys

    path = _path(path)
    key, entry = make_key(name, role, rate_class)  # type: ignore[arg-type]
    write_keys(path, [*_read(path, missing_is_empty=True), entry])
    click.echo(key)
    click.echo(f"Key {entry.id} of {name} ({role}) is in {path}. It is not shown again.", err=True)


@keys.command("list")
@_file
def list_keys(path: Path | None) -> None:
    """List the keys: id, name, role, rate class, when made."""
    for key in _read(_path(path)):
        click.echo(f"{key.id}  {key.created_at}  {key.role:<8}  {key.rate_class:<9}  {key.name}")


@keys.command()
@click.argument("name_or_id")
@_file
def revoke(name_or_id: str, path: Path | None) -> None:
    """Revoke the key with this id, or every key of this name."""
    from tracesvc.access.api_keys import write_keys

    path = _path(path)
    found = _read(path)
    left = [key for key in found if name_or_id not in {key.id, key.name}]
    if len(left) == len(found):
        raise SettingsError(f"{path} has no key with the id or name {name_or_id}")
    write_keys(path, left)
    click.echo(f"{len(found) - len(left)} keys are revoked, {len(left)} are left")


def _path(given: Path | None) -> Path:
    from tracesvc.settings import load_settings

    named = given or load_settings().trace_api_keys_file
    if not named:
        raise SettingsError("Which key file? Set TRACE_API_KEYS_FILE, or say --file PATH.")
    return Path(named)


def _read(path: Path, *, missing_is_empty: bool = False) -> list[StoredKey]:
    from tracesvc.access.api_keys import read_keys

    try:
        return read_keys(path)
    except FileNotFoundError:
        if missing_is_empty:
            return []
        raise SettingsError(f"There is no key file {path}. `tracesvc keys add NAME` makes it.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
