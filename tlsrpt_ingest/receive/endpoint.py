"""What is answered to a request: the report endpoint of RFC 8460 section 5.4, on every path, and the health path."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from tlsrpt_ingest import limits
from tlsrpt_ingest.config import Receive
from tlsrpt_ingest.errors import IngestError
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output.text import clean
from tlsrpt_ingest.receive.allowance import Body, Hand, Rates, client_of, household
from tlsrpt_ingest.receive.door import Door
from tlsrpt_ingest.receive.recording import Recorded, Recorder
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.sources.origin import of_post

HEALTH_PATH: Final = "/healthz"

_MEDIA_TYPES: Final = frozenset(
    {
        "application/tlsrpt+gzip",
        "application/tlsrpt+json",
        # What senders and their tools call it otherwise (docs/deviations.md); the octets decide.
        "application/tlsrpt",
        "application/tlsrpt+x-gzip",
        "application/gzip",
        "application/x-gzip",
        "application/json",
        "application/octet-stream",
    }
)

_GZIP: Final = frozenset({"gzip", "x-gzip"})

_STATUS: Final[Mapping[Outcome, int]] = MappingProxyType(
    {
        Outcome.RECORDED: 201,
        Outcome.CONFLICTING: 201,
        Outcome.DUPLICATE: 200,
        Outcome.REJECTED: 400,
        Outcome.NOT_A_REPORT: 400,
        Outcome.FOREIGN: 403,
        Outcome.UNAUTHENTICATED: 403,
    }
)


_RETRY: Final = {"Retry-After": str(limits.RETRY_AWAY)}


def application(settings: Receive, recorder: Recorder, ready: Callable[[], None] = lambda: None) -> Door:
    """The ASGI application; while it lives `recorder` runs, and `ready` is called once it does."""
    endpoint = _Endpoint(settings, recorder)

    @asynccontextmanager
    async def life(_app: Starlette) -> AsyncIterator[None]:
        running = asyncio.create_task(recorder.run())
        ready()
        yield
        recorder.close()
        await running

    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] = life
    routes = [
        Route(HEALTH_PATH, endpoint.health, methods=["GET"]),
        _EveryPath("/", endpoint.post, methods=["POST"]),
    ]
    return Door(Starlette(routes=routes, lifespan=lifespan))


class _EveryPath(Route):
    """A route for all that may stand as the target: `{path:path}` ends at %0A, and begins with a slash only.

    An absolute URI may stand there too (RFC 9112 section 3.2.2).
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the method is right, then; else 405."""
        right = scope["method"] in (self.methods or ())
        return Match.FULL if right else Match.PARTIAL, {"endpoint": self.endpoint, "path_params": {}}


class _Endpoint:
    def __init__(self, settings: Receive, recorder: Recorder) -> None:
        self._largest = settings.max_body_mib * limits.MIB
        self._rates = Rates(settings.requests_per_minute)
        self._hand = Hand(settings.requests_in_hand)
        self._recorder = recorder

    async def health(self, _request: Request) -> Response:
        """200 while the database answers."""
        if await self._recorder.answers():
            return PlainTextResponse("fine\n")
        raise HTTPException(503, "the database does not answer\n", _RETRY)

    async def post(self, request: Request) -> Response:
        """A report: 201 once it is committed, 200 if it was before, else why not."""
        client = client_of(request.client.host if request.client else None)
        self._rates.ask(client)
        media_type = _media_type(request)
        # More digits than a size has: an int() of them all would cost more than the request.
        if int(request.headers.get("content-length", "0")[:20]) > self._largest:
            raise self._too_large()
        with self._hand.place(client) as body:
            try:
                async with asyncio.timeout(limits.REQUEST_BODY):
                    await self._read(request, body)
            except TimeoutError:
                raise HTTPException(408, f"the body took more than {limits.REQUEST_BODY} seconds\n") from None
            except ClientDisconnect:
                return Response(status_code=499)  # nobody reads it: for the log, in nginx's number
            self._rates.take(client, body.size * limits.REQUESTS_A_MIB // limits.MIB)
            origin = of_post(client, request.scope.get("raw_path", b"/").decode("ascii", "replace"))
            item = Item(origin, body.octets(), repeatable=False, media_type=media_type)
            recorded = await self._record(item, household(client))
        request.state.outcome = recorded.outcome
        return PlainTextResponse(_words(recorded), _STATUS[recorded.outcome])

    async def _read(self, request: Request, body: Body) -> None:
        async for chunk in request.stream():
            body.add(chunk)
            if body.size > self._largest:
                raise self._too_large()

    async def _record(self, item: Item, whom: str) -> Recorded:
        try:
            async with asyncio.timeout(limits.REQUEST_RECORDED):
                return await self._recorder.record(item, whom)
        except (IngestError, TimeoutError):
            raise HTTPException(503, "the database does not answer, try again\n", _RETRY) from None

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"more than {self._largest} octets\n")


def _media_type(request: Request) -> str:
    """What the octets are called once what Content-Encoding says is taken for a part of the label; or the 415.

    Content-Encoding: gzip beside application/tlsrpt+gzip is one layer in life, and two by RFC 9110 section 8.4; beside
    +json it is the gzip. Which it is, the octets say.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise HTTPException(
            415,
            "application/tlsrpt+gzip or application/tlsrpt+json\n",
            {"Accept": "application/tlsrpt+gzip, application/tlsrpt+json"},
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in _GZIP:
        return "application/tlsrpt+gzip" if media_type.startswith("application/tlsrpt") else media_type
    if encoding not in {"", "identity"}:
        raise HTTPException(415, "Content-Encoding may be gzip\n", {"Accept-Encoding": "gzip"})
    return media_type


def _words(recorded: Recorded) -> str:
    return f"{recorded.outcome}: {clean(recorded.reason)}\n" if recorded.reason else f"{recorded.outcome}\n"
