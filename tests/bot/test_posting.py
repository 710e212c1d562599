"""Many POSTs to one address: connections that are kept, dropped and never shared with a broken answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from yarl import URL

from bot.adapters.posting import Poster


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Script:
    """A server that gives the prepared answers in their order; b"" closes, None stays silent."""

    def __init__(self, answers: Sequence[bytes | None]) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []
        self.then_closes = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                self.requests.append(head + await reader.readexactly(length))
                said = self.answers.pop(0)
                if said == b"":
                    break
                if said is not None:
                    writer.write(said)
                if self.then_closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def posting(
    *answers: bytes | None, timeout: float = 5, limit: int = 1_000
) -> AsyncIterator[tuple[Poster, Script]]:
    script = Script(answers)
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = URL(f"http://127.0.0.1:{port}/bot/v1/messages")
    poster = Poster(url, {"Authorization": "Bearer token"}, timeout=timeout, limit=limit)
    yield poster, script
    await poster.close()
    server.close()
    await server.wait_closed()


async def test_calls_one_after_the_other_share_a_connection() -> None:
    async with posting(answer(b"one"), answer(b"two", "429 Too Many", "Retry-After: 7\r\n")) as (poster, script):
        assert (await poster.post(b'{"a":1}', {"Idempotency-Key": "k1"}))[:2] == (200, b"one")
        status, body, headers = await poster.post(b"{}", {"Idempotency-Key": "k2"})
        assert (status, body, headers["retry-after"]) == (429, b"two", "7")
        assert script.connections == 1
        host = script.requests[0].partition(b"Host: ")[2].partition(b"\r")[0].decode()
        assert (
            script.requests[0]
            == (
                f"POST /bot/v1/messages HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nAuthorization: Bearer token\r\n"
                'Idempotency-Key: k1\r\nContent-Length: 7\r\n\r\n{"a":1}'
            ).encode()
        )


async def test_calls_at_one_time_have_a_connection_each() -> None:
    async with posting(*[answer(b"x")] * 3) as (poster, script):
        assert [each[1] for each in await asyncio.gather(*(poster.post(b"", {}) for _ in range(3)))] == [b"x"] * 3
        assert script.connections == 3


async def test_what_a_server_says_beforehand_is_no_answer() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    chunked = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    async with posting(early + chunked, answer(b"next")) as (poster, script):
        assert (await poster.post(b"", {}))[:2] == (201, b"abc")
        assert (await poster.post(b"", {}))[1] == b"next"
        assert script.connections == 1


async def test_a_connection_that_the_server_wants_closed_is_not_used_again() -> None:
    async with posting(answer(b"1", headers="Connection: close\r\n"), answer(b"2")) as (poster, script):
        assert [(await poster.post(b"", {}))[1] for _ in range(2)] == [b"1", b"2"]
        assert script.connections == 2


@pytest.mark.parametrize("broken", [b"", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_a_broken_answer_is_a_client_error_and_the_next_call_has_a_connection_of_its_own(broken: bytes) -> None:
    async with posting(broken, answer(b"well")) as (poster, script):
        with pytest.raises(aiohttp.ClientError):
            await poster.post(b"", {})
        assert (await poster.post(b"", {}))[1] == b"well"
        assert script.connections == 2


async def test_a_server_that_never_answers_is_left_after_the_time_limit() -> None:
    async with posting(None, answer(b"well"), timeout=0.05) as (poster, script):
        with pytest.raises(TimeoutError):
            await poster.post(b"", {})
        assert (await poster.post(b"", {}))[1] == b"well"
        assert script.connections == 2  # a late answer to the first call cannot be taken for the second's


async def test_each_call_has_its_own_time_limit() -> None:
    async with posting(answer(b"quick"), None, None, timeout=0.05) as (poster, _):
        assert (await poster.post(b"", {}))[1] == b"quick"
        slow = await asyncio.gather(*(poster.post(b"", {}) for _ in range(2)), return_exceptions=True)
        assert [type(each) for each in slow] == [TimeoutError, TimeoutError]


async def test_an_answer_that_stops_half_way_is_left_after_the_time_limit() -> None:
    async with posting(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", answer(b"well"), timeout=0.05) as (
        poster,
        script,
    ):
        with pytest.raises(TimeoutError):
            await poster.post(b"", {})
        assert (await poster.post(b"", {}))[1] == b"well"
        assert script.connections == 2


async def test_an_answer_may_come_in_pieces_and_be_long() -> None:
    async with posting(answer(b"x" * 1_000_000), answer(b"well"), limit=2_000_000) as (poster, script):
        assert (await poster.post(b"", {}))[1] == b"x" * 1_000_000
        assert (await poster.post(b"", {}))[1] == b"well"
        assert script.connections == 1


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with posting(b"HTTP/1.1 200 OK\r\n\r\nto the end", answer(b"well")) as (poster, script):
        script.then_closes = True
        assert (await poster.post(b"", {}))[:2] == (200, b"to the end")
        assert (await poster.post(b"", {}))[1] == b"well"
        assert script.connections == 2


async def test_an_answer_that_breaks_off_is_a_client_error() -> None:
    async with posting(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") as (poster, script):
        script.then_closes = True
        with pytest.raises(aiohttp.ClientPayloadError, match="broke off"):
            await poster.post(b"", {})


async def test_an_answer_without_a_body_keeps_its_connection() -> None:
    async with posting(b"HTTP/1.1 204 No Content\r\n\r\n", answer(b"well")) as (poster, script):
        assert (await poster.post(b"", {}))[:2] == (204, b"")
        assert (await poster.post(b"", {}))[1] == b"well"
        assert script.connections == 1


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next() -> None:
    async with posting(answer(b"one") + answer(b"forged"), answer(b"two")) as (poster, script):
        assert (await poster.post(b"", {}))[1] == b"one"
        assert (await poster.post(b"", {}))[1] == b"two"
        assert script.connections == 2


async def test_an_endless_answer_is_cut_off_and_its_connection_closed() -> None:
    async with posting(answer(b"x" * 5_000), answer(b"well"), limit=100) as (poster, script):
        status, body, _ = await poster.post(b"", {})
        assert (status, body) == (200, b"x" * 100)
        assert (await poster.post(b"", {}))[1] == b"well"
        assert script.connections == 2


async def test_a_connection_that_lay_idle_too_long_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.adapters.posting.IDLE_SECONDS", -1.0)
    async with posting(answer(b"1"), answer(b"2")) as (poster, script):
        assert [(await poster.post(b"", {}))[1] for _ in range(2)] == [b"1", b"2"]
        assert script.connections == 2


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\0b"])
async def test_a_line_break_in_a_header_is_refused_before_anything_is_sent(value: str) -> None:
    async with posting() as (poster, script):
        with pytest.raises(ValueError, match="line break"):
            await poster.post(b"", {"Idempotency-Key": value})
        assert script.connections == 0


async def test_nobody_listening_is_an_os_error() -> None:
    async with posting() as (_, _script):
        pass
    poster = Poster(URL("http://127.0.0.1:1/"), {}, timeout=5, limit=100)
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await poster.post(b"", {})


@pytest.mark.parametrize("trusted", [True, False])
async def test_over_https_only_a_server_with_a_trusted_certificate_gets_the_request(
    trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "certificate.pem"
    write_certificate(certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    script = Script([answer(b"sealed")])
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=context)
    poster = Poster(URL(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"), {}, timeout=5, limit=100)
    if trusted:
        assert (await poster.post(b"", {}))[1] == b"sealed"
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            await poster.post(b"", {})
        assert script.requests == []
    await poster.close()
    server.close()
    await server.wait_closed()


def write_certificate(file: Path) -> None:
    """A key and a certificate for 127.0.0.1 that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
