"""Redis over TLS: `rediss://`, with the authority's certificate checked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.exceptions import ConnectionError as RedisLost

from tests.parts import Valkey
from tracesvc.connect import connect_redis
from tracesvc.settings import load_settings


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "redis.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.fixture
async def tunnel(tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """A port where a Redis answers over TLS, and the certificate that it shows."""
    valkey, path = Valkey(tmp_path / "valkey"), certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", valkey.port)
        await asyncio.gather(pump(reader, outer), pump(inner, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1], path
    server.close()
    valkey.stop()


async def test_a_redis_is_reached_over_tls_when_its_certificate_is_known(tunnel: tuple[int, Path]) -> None:
    port, path = tunnel
    known = connect_redis(load_settings(trace_redis_url=f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={path}"))
    assert await known.set("a", "b", ex=60)
    assert await known.get("a") == b"b"
    await known.aclose()


async def test_a_certificate_that_nobody_vouches_for_is_refused(tunnel: tuple[int, Path]) -> None:
    stranger = connect_redis(load_settings(trace_redis_url=f"rediss://127.0.0.1:{tunnel[0]}/0"))
    with pytest.raises(RedisLost):
        await stranger.get("a")
    await stranger.aclose()
