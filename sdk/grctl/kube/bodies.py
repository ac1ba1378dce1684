"""The bodies of requests and answers: JSON objects, and streams of watch events."""

import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from grctl.json.raw_json import dumps
from grctl.json.reading import UnreadableJsonError, read_json
from grctl.kube.errors import LargeAnswerError, api_error

BODY_PIECE_LIMIT_BYTES = 2**20  # aiohttp warns of a larger body that is sent in one piece

Json = dict[str, Any]


def write_body(body: Json) -> bytes | io.BytesIO:
    """Return the bytes of a body, or a file of them if they must be sent in pieces."""
    written = dumps(body)
    return written if len(written) <= BODY_PIECE_LIMIT_BYTES else io.BytesIO(written)


async def read_body(response: aiohttp.ClientResponse, at_most: int | None) -> Json:
    """Read the object that an answer holds.

    Raises:
        LargeAnswerError: the answer has more than `at_most` bytes.
        UnreadableJsonError: the answer is not a JSON object.
    """
    return read_object(await _receive(response, at_most))


async def _receive(response: aiohttp.ClientResponse, at_most: int | None) -> bytes:
    if at_most is None:
        return await response.read()
    parts: list[bytes] = []
    left = at_most
    async for chunk in response.content.iter_any():
        parts.append(chunk)
        left -= len(chunk)
        if left < 0:
            raise LargeAnswerError(f"{response.url.path}: over {at_most} bytes")
    return b"".join(parts)


async def discard_body(response: aiohttp.ClientResponse) -> Json:
    """Receive an answer to its end, so that the connection can be used again."""
    async for _ in response.content.iter_any():
        pass
    return {}


async def raise_for_refusal(response: aiohttp.ClientResponse) -> None:
    """Raise the exception that an answer with an error status stands for."""
    if response.status < 400:
        return
    text = await response.read()
    try:
        body = read_json(text)
    except UnreadableJsonError:
        body = text.decode(errors="replace")
    raise api_error(response.status, body)


def read_watch_event(line: bytes) -> Json:
    """Read a line of a watch: a type, and the object that it is about.

    An event without an object gets an empty one.

    Raises:
        UnreadableJsonError: the line is not a watch event.
    """
    event = read_object(line)
    if not isinstance(event.get("type"), str):
        raise UnreadableJsonError("it is not a watch event")
    if not isinstance(event.get("object"), dict):
        event["object"] = {}
    return event


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a stream, without the length limit that `readline` has."""
    kept: list[bytes] = []
    async for chunk in content.iter_any():
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            kept.append(line)
            yield b"".join(kept)
            kept.clear()
        if rest:
            kept.append(rest)


def read_object(data: bytes) -> Json:
    """Read a JSON object.

    Raises:
        UnreadableJsonError: the data is not one.
    """
    answer = read_json(data)
    if not isinstance(answer, dict):
        raise UnreadableJsonError(f"it is not an object but {type(answer).__name__}")
    return answer
