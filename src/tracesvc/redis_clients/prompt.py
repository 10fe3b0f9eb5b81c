"""Connections that let a cancelled task go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from redis.exceptions import ConnectionError as RedisLost
from redis.exceptions import TimeoutError as RedisTimeout


class PromptSending:
    """Sends commands so that a task that is cancelled meanwhile ends.

    redis-py sends through `asyncio.wait_for`, which on Python 3.11 swallows a cancel that comes when the
    bytes have just been written.
    """

    async def send_packed_command(
        self: Any,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's
    ) -> None:
        """Write one command within the socket's timeout; raises redis-py's errors."""
        if not self.is_connected:
            await self.connect()
        elif check_health:
            await self.check_health()
        if isinstance(command, str):
            command = command.encode()
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command([command] if isinstance(command, bytes) else command)
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise RedisTimeout("A command was not taken within the socket's timeout.") from None
        except OSError as error:
            await self.disconnect(nowait=True)
            raise RedisLost("The connection was lost while a command was sent.") from error
        except BaseException:  # half a command may be on its way: nothing can follow it
            await self.disconnect(nowait=True)
            raise


def prompt(connection: type) -> type:
    """The same kind of connection, sending so."""
    return type("Prompt", (PromptSending, connection), {})
