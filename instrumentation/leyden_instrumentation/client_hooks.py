"""The hooks on the clients of OpenAI and Anthropic: private methods that every request and every reply passes.

`_build_request` (request out), `_process_response` (reply in), `_process_response_data` (each body and stream chunk):
both clients come of one generator and have them from 1.x on; Azure's and Vertex's clients pass them too. They stand
under all instrumentations, inside whose span they run. If a later client has them no more, one warning says so, nothing
is hooked, and the program runs as ever.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import weakref
from collections.abc import Callable
from typing import Any

import wrapt
from opentelemetry import context, trace
from opentelemetry.trace import INVALID_SPAN, Span

from leyden_instrumentation import bodies, records, settings, spans, tools, trace_headers
from leyden_instrumentation.api_keys import keys
from leyden_instrumentation.exchange import Exchange
from leyden_instrumentation.exchange_messages import MessagesExchange
from leyden_instrumentation.guarding import guarded
from leyden_instrumentation.late import stand_in
from leyden_instrumentation.token_fields import AskingBody, asked_in, endpoint, is_private, servers, with_fields

_log = logging.getLogger("leyden_instrumentation")
_exchanges: weakref.WeakKeyDictionary[Any, Exchange | MessagesExchange] = weakref.WeakKeyDictionary()
_addresses: weakref.WeakKeyDictionary[Any, tuple[Any, str]] = weakref.WeakKeyDictionary()
_installed: dict[str, bool] = {}

_VERSION = b"x-leyden-policy-version"
_EXPECTED = {
    ("BaseClient", "_build_request"): {"options"},
    ("SyncAPIClient", "_process_response"): {"options", "response"},
    ("AsyncAPIClient", "_process_response"): {"options", "response"},
    ("BaseClient", "_process_response_data"): {"data", "response"},
    ("BaseClient", "_should_retry"): {"response"},
}
"""Methods hooked, and the parameters we read of them."""


def install(package: str = "openai") -> bool:
    """Hook a client, `openai` or `anthropic`, of this process, once. Whether it is hooked."""
    if package in _installed:
        return _installed[package]
    _installed[package] = False
    try:
        base = importlib.import_module(f"{package}._base_client")
        for (owner, method), parameters in _EXPECTED.items():
            missing = parameters - inspect.signature(getattr(getattr(base, owner), method)).parameters.keys()
            if missing:
                raise AttributeError(f"{owner}.{method} takes no {', '.join(sorted(missing))}")
    except (ImportError, AttributeError) as error:
        _log.warning("leyden: this %s is unknown to us (%s); no token ids, logprobs or tool spans", package, error)
        return False
    for (owner, method), hook in _hooks().items():
        wrapt.wrap_function_wrapper(getattr(base, owner), method, hook)
    _installed[package] = True
    return True


def _hooks() -> dict[tuple[str, str], Callable[..., Any]]:
    return {
        ("BaseClient", "_build_request"): _build_request,
        ("SyncAPIClient", "_process_response"): _process_response,
        ("AsyncAPIClient", "_process_response"): _process_response,
        ("BaseClient", "_process_response_data"): _process_response_data,
        ("BaseClient", "_should_retry"): _should_retry,
    }


def _build_request(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
    options = args[0] if args else kwargs["options"]
    span = guarded(_before, client, options)
    request = wrapped(*args, **kwargs)
    if span is not None:
        guarded(_sent, span, options, request)
    return request


def _process_response(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
    guarded(_after, client, kwargs)
    return wrapped(*args, **kwargs)


def _process_response_data(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
    exchange = _exchanges.get(kwargs.get("response")) if kwargs.get("response") is not None else None
    if exchange is not None:
        kwargs["data"] = guarded(exchange.read, kwargs.get("data"), otherwise=kwargs.get("data"))
    return wrapped(*args, **kwargs)


def _should_retry(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
    response = args[0] if args else kwargs.get("response")
    return guarded(_refused, client, response) or wrapped(*args, **kwargs)


def _before(client: Any, options: Any) -> Span | None:
    """A request is made: the results it brings end tool calls, and it asks for token ids. Its span, if it has one."""
    keys.learn(getattr(client, "api_key", None))
    span = _call_span(options.url)
    body = options.json_data
    if span is not None and isinstance(body, dict):
        tools.memory.answer(body, span)
        records.asked(span, options.url, body)
        # `options` is this attempt's own copy, but its body is shared with the instrumentation: ours is a new one.
        asking = with_fields(options.url, _base_url(client).host, _address(client), body, options.extra_json)
        if asking is not None:
            options.json_data = asking
    return span


def _sent(span: Span, options: Any, request: Any) -> None:
    """It goes out. A server that may record its calls too is told what they are part of."""
    records.sent(span, options.url, request)
    if is_private(request.url.host):
        # Headers that the program sets stay. Seen so, they are not decoded, each and every one.
        own = {name.lower() for name, _ in request.headers.raw}
        # The span is the current one, or stands for a child that the current one will have.
        for name, value in trace_headers.current().items():
            if name.lower().encode() not in own:
                request.headers[name] = value


def _base_url(client: Any) -> Any:
    # The property of openai 3 imports a module each time.
    return getattr(client, "_base_url", None) or client.base_url


def _address(client: Any) -> str:
    """The base URL as text, which is put together once for a client."""
    url = _base_url(client)
    known = _addresses.get(client)
    if known is None or known[0] is not url:
        known = _addresses[client] = (url, str(url))
    return known[1]


def _after(client: Any, call: dict[str, Any]) -> None:
    """A reply came in: its body, which may be read much later, belongs to the span that is current now."""
    options, response = call["options"], call["response"]
    body = options.json_data
    if isinstance(body, AskingBody):
        servers.answered(body.endpoint, asked=True)
    elif servers.in_doubt and isinstance(body, dict):
        servers.answered(endpoint(_address(client), options.url), asked=False)
    span = _call_span(options.url)
    if span is None:
        return
    if options.url.endswith("/messages"):
        _exchanges[response] = MessagesExchange(span, context.get_current())
        return
    added = body.added if isinstance(body, AskingBody) else frozenset()
    version = next((v.decode() for k, v in response.headers.raw if k.lower() == _VERSION), None)
    streamed = bool(call.get("stream"))
    cut = bodies.NOTHING
    if added and not streamed:
        if options.url.endswith("/chat/completions"):
            cut = bodies.cut(response, added)
        bodies.quicken(response)
    current = context.get_current()
    _exchanges[response] = Exchange(span, current, added, version, streamed=streamed, cut=cut)


def _call_span(path: str) -> Span | None:
    """The span of the call under way; None where no instrumentation records it."""
    current = trace.get_current_span()
    if not current.is_recording():
        return None
    known = spans.is_llm(current) or spans.is_embedding(current)
    span = current if known else stand_in(current, path)
    return None if span is INVALID_SPAN else span


def _refused(client: Any, response: Any) -> bool:
    if response.status_code not in (400, 422):
        return False
    request = response.request
    known_as = endpoint(_address(client), request.url.path)
    retry = servers.refused(known_as, asked=asked_in(request.content))
    if retry:
        _log.info("leyden: asking %s again, without token ids (%s=off says so)", known_as, settings.TOKEN_IDS)
    return retry
