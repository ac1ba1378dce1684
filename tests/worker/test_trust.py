"""The addresses that a worker sends its token to, and the certificates that it accepts."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from grctl.models import Directive
from grctl.models.wire import Goodbye, Hello
from grctl.worker import trust
from grctl.worker.context import Context
from grctl.worker.trust import TrustError
from grctl.workflow import Workflow
from tests.pem import Pair, write_pair
from tests.worker.conftest import Serve, Serving
from tests.worker.fake_operator import FakeOperator, fake_operator

order = Workflow(workflow_type="Order")


@order.start()
async def start(ctx: Context) -> Directive:
    return ctx.next.complete()


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (trust.TOKEN_FILE, trust.CA_FILE, trust.ALLOW_INSECURE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("secret\n")
    monkeypatch.setenv(trust.TOKEN_FILE, str(path))
    return path


def test_a_worker_without_a_token_sends_no_header_and_refuses_no_address() -> None:
    assert trust.authorization("http://operator:8700") == {}


def test_a_token_is_read_anew_each_time(token: Path) -> None:
    for text in ("first", "second"):
        token.write_text(f"{text}\n")
        assert trust.authorization("https://operator") == {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize(
    "url", ["https://operator:8700", "http://127.0.0.1:8700", "http://[::1]:1", "http://localhost"]
)
def test_a_token_goes_over_an_encrypted_connection_or_within_this_machine(
    token: Path, url: str
) -> None:
    assert trust.authorization(url) == {"Authorization": "Bearer secret"}


@pytest.mark.parametrize("url", ["http://operator:8700", "http://10.0.0.7:8700"])
def test_a_token_is_sent_unencrypted_only_if_that_is_allowed(
    token: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrustError, match=r"is not encrypted: .* GRCTL_ALLOW_INSECURE_TOKEN=true"):
        trust.authorization(url)
    monkeypatch.setenv(trust.ALLOW_INSECURE, "true")
    assert trust.authorization(url) == {"Authorization": "Bearer secret"}


@pytest.mark.parametrize(
    ("content", "message"), [(b"\xff\xfe", "it is not UTF-8"), (b"a\nb", "a control character")]
)
def test_a_token_that_no_header_can_have_is_an_error_of_trust(
    token: Path, content: bytes, message: str
) -> None:
    token.write_bytes(content)
    with pytest.raises(TrustError, match=f"GRCTL_WORKER_TOKEN_FILE {token} .*{message}"):
        trust.authorization("https://operator:8700")


def test_an_authority_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(trust.CA_FILE, "/nowhere/ca.crt")
    with pytest.raises(TrustError, match=r"GRCTL_OPERATOR_CA_FILE /nowhere/ca\.crt cannot be used"):
        trust.verification()


def test_a_redirect_from_an_encrypted_to_an_unencrypted_address_is_not_followed() -> None:
    trust.check_redirect("https://10.0.0.7:8700", "https://operator")
    trust.check_redirect("http://10.0.0.7:8700", "http://operator")
    with pytest.raises(TrustError, match="not followed"):
        trust.check_redirect("http://10.0.0.7:8700", "https://operator")


@asynccontextmanager
async def secure_operator(pair: Pair) -> AsyncIterator[FakeOperator]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    async with fake_operator(context) as operator:
        yield operator


def named(url: str) -> str:
    """The address of a test's operator by the name that its certificate has."""
    return url.replace("127.0.0.1", "localhost")


async def leaves(serving: Serving) -> None:
    """Stop a worker before its operator stops."""
    serving.worker.stop()
    await serving.ended()


async def test_a_worker_comes_to_an_operator_whose_authority_it_was_given(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = write_pair(tmp_path, "localhost")
    monkeypatch.setenv(trust.CA_FILE, str(pair.certificate))
    async with secure_operator(pair) as operator:
        serving = serve(order, operator_url=named(operator.url))
        await operator.welcomed()
        await leaves(serving)


async def test_the_operator_that_a_worker_is_sent_to_shows_the_certificate_of_the_first(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = write_pair(tmp_path, "localhost")  # and not 127.0.0.1, as a pod's address is in none
    monkeypatch.setenv(trust.CA_FILE, str(pair.certificate))
    async with secure_operator(pair) as standby, secure_operator(pair) as leader:
        serving = serve(order, operator_url=named(standby.url))
        conversation = await standby.connected()
        await conversation.next(Hello)
        assert "127.0.0.1" in leader.url
        await conversation.say(Goodbye(message="another leads", redirect=leader.url))
        await leader.welcomed()
        await leaves(serving)


async def test_a_worker_shows_nothing_to_an_operator_that_it_cannot_verify(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: Path
) -> None:
    monkeypatch.setenv(trust.CA_FILE, str(write_pair(tmp_path, "localhost").certificate))
    tried = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        tries.append(None)
        if len(tries) > 2:
            tried.set()
            await asyncio.Event().wait()

    tries: list[None] = []
    (tmp_path / "other").mkdir()
    async with secure_operator(write_pair(tmp_path / "other", "localhost")) as impostor:
        serve(order, operator_url=named(impostor.url), sleep=sleep)
        await asyncio.wait_for(tried.wait(), 10)
        assert impostor.requests == 0
