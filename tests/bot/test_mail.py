"""E-mail against a real SMTP server on a loopback port: what is sent, what a retry is, and every way to fail."""

from __future__ import annotations

import asyncio
import datetime as dt
import email
import email.header
import email.utils
import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.adapter import CarriesFiles, Delivery, Outcome, Rejected, Retry, Sent
from bot.adapters.mail import SUBJECT_LENGTH, Mail, subject
from bot.adapters.mail_letters import Letters
from bot.attachments import Shelf
from bot.clock import TOKYO, ManualClock
from bot.errors import ConfigurationError
from bot.messages import Address, Attachment, Message
from bot.testing.conformance import AdapterCase, AdapterConformance, Behaviour
from tests.bot.test_attachments import spoil

NOW = dt.datetime(2023, 10, 2, 9, 30, tzinfo=TOKYO)
PASSWORD = "correct-horse"


@dataclass
class MailServer:
    """What aiosmtpd asks on every step; `refuse` maps an address to the answer to RCPT."""

    port: int = 0
    behaviour: Behaviour = "well"
    refuse: dict[str, str] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    connections: int = 0
    largest: int | None = None
    """Bytes of a mail that it takes, where it does not say so before."""
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def behave(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    def mails(self) -> list[EmailMessage]:
        found = []
        for envelope in self.envelopes:
            assert isinstance(envelope.content, bytes)
            parsed = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(parsed, EmailMessage)
            found.append(parsed)
        return found

    def texts(self) -> Sequence[str]:
        return [mail.get_content() for mail in self.mails()]

    async def handle_mail(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if self.behaviour == "gibberish":
            return "550 You are nobody."
        envelope.mail_from = address
        return "250 OK"

    async def handle_rcpt(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if self.behaviour == "refusing":
            return f"550 No {address} here."
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_data(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        match self.behaviour:
            case "broken":
                return "451 Disk full."
            case "busy":
                return "421 Too many."
            case "cut":
                assert server.transport is not None
                server.transport.close()
            case "silent":
                await self.released.wait()
            case _ if self.largest is not None and len(envelope.content or b"") > self.largest:
                return "554 5.3.4 Too large for us."
            case _:
                self.envelopes.append(envelope)
        return "250 OK"

    # aiosmtpd looks for them by the names of the protocol.
    handle_MAIL, handle_RCPT, handle_DATA = handle_mail, handle_rcpt, handle_data  # noqa: N815 - as it does


@asynccontextmanager
async def serving(server: MailServer, **options: Any) -> AsyncIterator[MailServer]:
    loop = asyncio.get_running_loop()
    tls = options.pop("tls", None)

    def connected() -> SMTP:
        server.connections += 1
        return SMTP(server, **options)

    listening = await loop.create_server(connected, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.released.set()
        listening.close()
        await listening.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with serving(MailServer()) as opened:
        yield opened


def mail(server: MailServer, **options: Any) -> Mail:
    options = {"security": "none", "timeout": timedelta(seconds=5), "port": server.port, **options}
    return Mail("127.0.0.1", "kairanban@city.example.lg.jp", ManualClock(NOW), **options)


def delivery(person: str = "a@city.example.lg.jp", text: str = "【緊急】\n大雨です。", key: str = "k1") -> Delivery:
    return Delivery(1, key, Address(adapter="mail", kind="person", id=person), Message(text=text))


class TestMail(AdapterConformance):
    @pytest_asyncio.fixture
    async def case(self) -> AsyncIterator[AdapterCase]:
        async with serving(MailServer()) as server:
            yield AdapterCase(
                adapter=mail(server, timeout=timedelta(seconds=0.2)),
                platform=server,
                person="a@city.example.lg.jp",
                failures=["broken", "cut", "silent", "refusing", "gibberish"],
            )


async def test_an_emergency_says_so_in_its_subject_and_has_a_message_of_its_own_for_each(server: MailServer) -> None:
    people = ["a@city.example.lg.jp", "b@city.example.lg.jp"]
    outcomes = await mail(server).send([delivery(person, key=f"t:rung:2:{person}") for person in people])
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [[person] for person in people]
    assert server.connections == 1
    first = server.mails()[0]
    assert first["Subject"] == "【緊急】大雨です。"
    assert first["To"] == "a@city.example.lg.jp"
    assert str(first["From"]) == "回覧板 <kairanban@city.example.lg.jp>"
    assert first["Date"].datetime == NOW
    assert first["Auto-Submitted"] == "auto-generated"
    assert first.get_content() == "【緊急】\r\n大雨です。\r\n"


async def test_a_retry_is_recognised_by_its_message_id(server: MailServer) -> None:
    adapter = mail(server)
    first, again, other = [*await adapter.send([delivery()]), *await adapter.send([delivery(), delivery(key="k2")])]
    assert first == again != other
    ids = [message["Message-ID"] for message in server.mails()]
    assert ids[0] == ids[1] != ids[2]


async def test_one_refused_address_keeps_nobody_else_from_their_mail(server: MailServer) -> None:
    server.refuse = {"gone@city.example.lg.jp": "550 No such user", "full@city.example.lg.jp": "452 Mailbox full"}
    people = ["a@city.example.lg.jp", *server.refuse, "b@city.example.lg.jp", "not an address", "x@y\r\nBcc: z@z"]
    found = await mail(server).send([delivery(person, key=person) for person in people])
    assert [type(outcome) for outcome in found] == [Sent, Rejected, Retry, Sent, Rejected, Rejected]
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [["a@city.example.lg.jp"], ["b@city.example.lg.jp"]]
    assert not any("No such user" in repr(outcome) for outcome in found)  # its own words may hold addresses


@pytest.mark.parametrize("behaviour", ["busy", "cut", "gibberish"])
async def test_what_was_taken_before_a_failure_stays_sent(server: MailServer, behaviour: Behaviour) -> None:
    adapter = mail(server)
    assert isinstance((await adapter.send([delivery(key="k0")]))[0], Sent)
    server.behave(behaviour)
    outcomes = await adapter.send([delivery(key="k1"), delivery(key="k2")])
    assert [type(outcome) for outcome in outcomes] == [Retry, Retry]


async def test_a_server_that_is_not_there_is_a_retry() -> None:
    [outcome] = await mail(MailServer(port=1)).send([delivery()])
    assert isinstance(outcome, Retry)


async def test_what_was_sent_cannot_be_taken_back(server: MailServer) -> None:
    sent = delivery()
    back = Delivery(2, "back", sent.address, sent.message, "delete", "<id>")
    assert isinstance((await mail(server).send([back]))[0], Rejected)


# ------------------------------------------------------------------- files

TABLE = "避難所,人数\n".encode() * 20_000


@pytest.fixture
async def files(tmp_path: Path) -> tuple[Shelf, tuple[Attachment, ...]]:
    """Two files on a shelf."""
    shelf = Shelf(tmp_path / "shelf")
    for name, content in (("避難所 一覧.csv", TABLE), ("地図.unknown", b"\x00\r\n.\n\xff" * 50)):
        (tmp_path / name).write_bytes(content)
    return shelf, (await shelf.keep(tmp_path / "避難所 一覧.csv"), await shelf.keep(tmp_path / "地図.unknown"))


def with_files(attachments: tuple[Attachment, ...], person: str = "a@city.example.lg.jp") -> Delivery:
    said = Message(
        text="資料です。", attachments=attachments, without_files="資料です。\n添付ファイル：避難所 一覧.csv"
    )
    return Delivery(1, f"k:{person}", Address(adapter="mail", kind="person", id=person), said)


def parts(mail: EmailMessage) -> list[tuple[str | None, bytes]]:
    return [(each.get_filename(), each.get_payload(decode=True)) for each in mail.iter_attachments()]  # type: ignore[misc] # decoded: bytes


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body()
    assert body is not None
    return str(body.get_content())


async def test_everybody_gets_the_files_byte_for_byte_under_their_names(
    server: MailServer, files: tuple[Shelf, tuple[Attachment, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, attachments = files
    adapter = mail(server)
    assert isinstance(adapter, CarriesFiles)
    assert not adapter.capabilities.carries(attachments)
    adapter.carry(shelf)
    assert adapter.capabilities.carries(attachments)
    composed = count_calls(monkeypatch)
    people = [f"{name}@city.example.lg.jp" for name in "abc"]
    batch = [with_files(attachments, person) for person in people] + [delivery(key="last")]
    assert [type(outcome) for outcome in await adapter.send(batch)] == [Sent] * 4
    *three, words = server.mails()
    assert [mail["To"] for mail in three] == people
    assert len({mail["Message-ID"] for mail in three}) == 3
    for each in three:
        assert parts(each) == [("避難所 一覧.csv", TABLE), ("地図.unknown", b"\x00\r\n.\n\xff" * 50)]
        assert text_of(each) == "資料です。\r\n"
        assert [part.get_content_type() for part in each.iter_attachments()] == ["text/csv", "application/octet-stream"]
        assert not each.defects
    assert parts(words) == []
    assert composed == ["資料です。", "【緊急】\n大雨です。"]  # what all get alike is encoded once


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of what is composed from now on."""
    texts: list[str] = []
    compose = Letters._compose

    def counted(self: Letters, message: Message) -> bytes:
        texts.append(message.text)
        return compose(self, message)

    monkeypatch.setattr(Letters, "_compose", counted)
    return texts


@pytest.mark.parametrize("how", ["by its announced size", "when it has it"])
async def test_a_server_that_takes_no_mail_that_large_gets_the_words(
    how: str, files: tuple[Shelf, tuple[Attachment, ...]]
) -> None:
    shelf, attachments = files
    server = MailServer(largest=None if how == "by its announced size" else 100_000)
    async with serving(server, **({"data_size_limit": 100_000} if server.largest is None else {})):
        adapter = mail(server)
        adapter.carry(shelf)
        outcomes = await adapter.send([with_files(attachments), delivery(key="k2")])
        assert [type(outcome) for outcome in outcomes] == [Sent, Sent]
        first, second = server.mails()
        assert text_of(first) == "資料です。\r\n添付ファイル：避難所 一覧.csv\r\n"
        assert parts(first) == []
        assert text_of(second).startswith("【緊急】")


@pytest.mark.parametrize("state", ["missing", "half", "folder"])
async def test_a_file_that_this_machine_has_not_is_named_and_the_words_arrive(
    server: MailServer, files: tuple[Shelf, tuple[Attachment, ...]], state: str
) -> None:
    shelf, attachments = files
    adapter = mail(server)
    adapter.carry(shelf)
    spoil(shelf.path(attachments[0]), state)
    assert [type(outcome) for outcome in await adapter.send([with_files(attachments)])] == [Sent]
    (arrived,) = server.mails()
    assert "添付ファイル：避難所 一覧.csv" in text_of(arrived)
    assert parts(arrived) == []


@pytest.mark.parametrize("behaviour", ["refusing", "broken", "cut", "busy", "gibberish"])
async def test_another_failure_is_no_reason_to_leave_the_files_out(
    server: MailServer, files: tuple[Shelf, tuple[Attachment, ...]], behaviour: Behaviour
) -> None:
    shelf, attachments = files
    adapter = mail(server)
    adapter.carry(shelf)
    server.behave(behaviour)
    [outcome] = await adapter.send([with_files(attachments)])
    assert isinstance(outcome, Rejected if behaviour == "refusing" else Retry)
    server.behave("well")
    assert isinstance((await adapter.send([with_files(attachments)]))[0], Sent)
    assert len(parts(server.mails()[-1])) == 2


def test_a_house_may_send_no_files_by_mail(tmp_path: Path) -> None:
    adapter = mail(MailServer(port=1), attachment_bytes=0)
    adapter.carry(Shelf(tmp_path))
    assert not adapter.capabilities.carries((Attachment(name="a", size=1, sha256="0" * 64),))
    assert adapter.capabilities.carries(())


# --------------------------------------------------------------------- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context; the client trusts nobody but this server."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = tmp_path / "server.pem"
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + signed.public_bytes(pem))
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(file)
    return at_server, ssl.create_default_context(cadata=signed.public_bytes(pem).decode())


def authenticator(server: MailServer) -> Any:
    def check(smtp: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        server.logins.append(data.login.decode())
        return AuthResult(success=data.password == PASSWORD.encode())

    return check


async def test_it_signs_in_over_starttls(certificate: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    at_server, at_client = certificate
    server = MailServer()
    options = {"tls_context": at_server, "require_starttls": True, "authenticator": authenticator(server)}
    async with serving(server, auth_required=True, **options):
        good = mail(server, security="starttls", username="bot", password=PASSWORD, tls=at_client)
        assert isinstance((await good.send([delivery()]))[0], Sent)
        assert server.logins == ["bot"]
        bad = mail(server, security="starttls", username="bot", password="wrong-horse", tls=at_client)
        [outcome] = await bad.send([delivery()])
        assert isinstance(outcome, Retry)
        assert "wrong-horse" not in repr(outcome) + repr(bad)
        # The library notices the refused handshake at once, and waits for its time limit all the same.
        brief = timedelta(seconds=1)
        strict = mail(server, security="starttls", username="bot", password=PASSWORD, timeout=brief)
        assert isinstance((await strict.send([delivery()]))[0], Retry), "A certificate nobody trusts is not taken."


async def test_it_speaks_tls_from_the_first_byte(certificate: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    at_server, at_client = certificate
    async with serving(MailServer(), tls=at_server) as server:
        assert isinstance((await mail(server, security="tls", tls=at_client).send([delivery()]))[0], Sent)


async def test_a_server_without_starttls_gets_nothing(server: MailServer) -> None:
    outcome: Outcome
    [outcome] = await mail(server, security="starttls").send([delivery()])
    assert isinstance(outcome, Retry)
    assert server.envelopes == []


# ----------------------------------------------------------- small things


@pytest.mark.parametrize(
    "options",
    [{"username": "bot"}, {"password": PASSWORD}, {"username": "bot", "password": PASSWORD, "security": "none"}],
)
def test_a_password_goes_with_a_name_and_never_in_the_clear(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as error:
        mail(MailServer(port=1), **{"security": "tls", **options})
    assert PASSWORD not in str(error.value)


def test_the_sender_is_an_address() -> None:
    with pytest.raises(ConfigurationError, match="sender"):
        Mail("127.0.0.1", "回覧板", ManualClock(NOW))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("【訓練】これは訓練です。\n地震です。", "【訓練】これは訓練です。地震です。"),
        ("【緊急】\n\n  川が\tあふれました。\n逃げて", "【緊急】川が あふれました。"),
        ("明日の会議\n10時", "明日の会議"),
        ("あ" * 100, "あ" * (SUBJECT_LENGTH - 1) + "…"),
        ("\n \n", ""),
        ("a\u2028Bcc: x", "a"),
    ],
)
def test_a_subject_is_the_first_words_that_say_something(text: str, expected: str) -> None:
    assert subject(text) == expected


# ------------------------------------------------------- addresses, headers, files that are mails

NO_MAILBOX = [
    "<aoki@city.example.jp>",
    "青木 <aoki@city.example.jp>",
    "ishii@city.example.jp;",
    "ueda@city.example.jp,",
    "a,kobayashi@city.example.jp",
    "a@city.example.jp,b@city.example.jp",
    "ono@市役所.example.jp",
    "大野@city.example.jp",
    "kato@city..example.jp",
    "ka..to@city.example.jp",
    ".kato@city.example.jp",
    "kato.@city.example.jp",
    "mori@city.example.jp.",
    "mori@.city.example.jp",
    "mori@@city.example.jp",
    "mori@city@example.jp",
    "mori＠city.example.jp",
    "mori @city.example.jp",
    "mori\n@city.example.jp",
    "mori\u200b@city.example.jp",
    '"mo ri"@city.example.jp',
    '"mori"@city.example.jp',
    "mori(section)@city.example.jp",
    "mori@[127.0.0.1]",
    "mori@127.0.0.1",
    "mori@-city.example.jp",
    "mori@city-.example.jp",
    "mori@ci_ty.example.jp",
    "mori",
    "@city.example.jp",
    "mori@",
    "",
    "m" * 65 + "@city.example.jp",
    "mori@" + "a" * 64 + ".example.jp",
    "mori@" + ".".join(["a" * 60] * 5) + ".jp",
]


@pytest.mark.parametrize("address", NO_MAILBOX)
async def test_no_envelope_has_a_part_of_an_address_that_no_server_takes(server: MailServer, address: str) -> None:
    wrong, right = await mail(server).send([delivery(address), delivery("b@city.example.lg.jp", key="k2")])
    assert isinstance(wrong, Rejected)
    assert isinstance(right, Sent)
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [["b@city.example.lg.jp"]]


@pytest.mark.parametrize(
    "address",
    [
        "o'hara+bousai/2@city.example.lg.jp",
        "m" * 64 + "@" + ".".join(["a" * 60] * 3) + ".jp",
        "1@a-b.example",
        "x=y?z!#$%&*^_`{|}~-@city.example.jp",
    ],
)
async def test_an_address_stands_whole_in_envelope_and_head(server: MailServer, address: str) -> None:
    (outcome,) = await mail(server).send([delivery(address)])
    assert isinstance(outcome, Sent)
    assert server.envelopes[0].rcpt_tos == [address]
    assert isinstance(server.envelopes[0].content, bytes)
    assert f"To: {address}\r\n".encode() in server.envelopes[0].content


@pytest.mark.parametrize(
    "text",
    [
        "【訓練】 第2配備 参集 のお知らせ ABC def 12月2日 9時 集合 場所は 市役所 本庁舎 です",
        "Drill: every section meets at the town hall at nine, please be there",
        "あ い う え お か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ",
        "a あ b い c う d え e お f か g き h く i け j こ k",
        "=?utf-8?B?44GC?= は 文字",
        "𠮷野家 前 集合 🚨 です",
        "x",
    ],
)
@pytest.mark.parametrize(
    "name", ["回覧板", "回覧板 本部 から の お知らせ と 連絡 です", "Kairanban, City Hall", "K", ""]
)
async def test_subject_and_sender_keep_every_blank(server: MailServer, text: str, name: str) -> None:
    await mail(server, display_name=name).send([delivery(text=text)])
    (found,) = server.mails()
    assert found["Subject"] == subject(text)
    assert found["From"].addresses[0].addr_spec == "kairanban@city.example.lg.jp"
    content = server.envelopes[0].content
    assert isinstance(content, bytes)
    head = content.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))
    # What other programs read by RFC 2047: blanks between encoded words are none, the others stay.
    raw = email.message_from_bytes(content)
    assert str(email.header.make_header(email.header.decode_header(raw["Subject"]))) == subject(text)
    shown = email.utils.parseaddr(" ".join(raw["From"].split()))[0]
    assert str(email.header.make_header(email.header.decode_header(shown))) == name


@pytest.mark.parametrize("name", ["転送.eml", "転送.EML", "page.mht", "page.mhtml", "a.nws"])
async def test_a_mail_that_is_attached_arrives_as_octets(server: MailServer, tmp_path: Path, name: str) -> None:
    content = b"From: a@example.jp\r\nSubject: =?utf-8?B?44GC?=\r\n\r\n\x82\xa0 body\nlone newline \r and return\r\n"
    shelf = Shelf(tmp_path / "shelf")
    (tmp_path / name).write_bytes(content)
    attachment = await shelf.keep(tmp_path / name)
    sender = mail(server)
    sender.carry(shelf)
    message = Message(text="転送します", attachments=(attachment,))
    (outcome,) = await sender.send([Delivery(1, "k", Address(adapter="mail", kind="person", id="a@b.jp"), message)])
    assert isinstance(outcome, Sent)
    (part,) = server.mails()[0].iter_attachments()
    assert part.get_content_type() == "application/octet-stream"
    assert part.get_filename() == name
    assert part.get_content() == content
