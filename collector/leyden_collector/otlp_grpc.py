"""OTLP over gRPC: traces and logs, the request's bytes passed on undecoded, answered as the specification says.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc: a full spool is UNAVAILABLE with a RetryInfo, a message over the
limit RESOURCE_EXHAUSTED without one (never retry it), everything malformed INVALID_ARGUMENT.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from leyden_collector.access import Access, AccessDenied
from leyden_collector.inflate import MAX_BODY_BYTES, BodyCorrupt, BodyTooLarge, inflated
from leyden_collector.intake import Intake, Signal
from leyden_collector.projects import bound
from leyden_collector.spool import SpoolFull
from leyden_collector.tls import Tls
from leyden_store.errors import LeydenError, OtlpInvalid, StoreError
from leyden_store.keys import Scope

_COLLECTOR = "/opentelemetry.proto.collector."
_HANDLERS = 32
_STOP_S = 5.0

# grpc-core would inflate a message without a bound, so it hands us messages as they came (core's own channel argument).
_OPTIONS = [
    ("grpc.per_message_decompression", 0),
    ("grpc.max_receive_message_length", MAX_BODY_BYTES),
    ("grpc.so_reuseport", 0),  # a port that is taken is an error, not half of the agents lost to another process
]

_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 413,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
}
"""How the counts name what was refused: by the status that OTLP/HTTP gives for the same reason."""


_DENIED = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class GrpcAddressInUse(LeydenError):
    """The gRPC port cannot be listened on."""


class OtlpGrpc:
    """A gRPC server over an intake, in threads of its own."""

    def __init__(self, host: str, port: int, tls: Tls | None = None) -> None:
        """Bind; port 0 takes a free one. Raises GrpcAddressInUse."""
        threads = ThreadPoolExecutor(_HANDLERS, thread_name_prefix="leyden-grpc")
        self._server = grpc.server(threads, options=_OPTIONS)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if tls is None:
                self.port = int(self._server.add_insecure_port(address))
            else:
                pair = grpc.ssl_server_credentials([(tls.key_pem, tls.cert_pem)])
                self.port = int(self._server.add_secure_port(address, pair))
        except RuntimeError as error:
            raise GrpcAddressInUse(
                f"cannot listen on {address}; choose another with --grpc-port, or none with --no-grpc"
            ) from error

    def start(self, intake: Intake, access: Access) -> None:
        """Begin to take requests, from senders whose key lets them."""
        self._server.add_generic_rpc_handlers((_Services(intake, access),))
        self._server.start()

    def stop(self) -> None:
        """Take no more; what is under way is answered."""
        self._server.stop(_STOP_S).wait()


class _Services(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds the handler of a method; what has none is UNIMPLEMENTED."""

    def __init__(self, intake: Intake, access: Access) -> None:
        self._intake = intake
        self._access = access
        self._handlers: dict[str, Callable[[bytes, grpc.ServicerContext], bytes]] = {
            f"{_COLLECTOR}trace.v1.TraceService/Export": partial(self._export, "traces"),
            f"{_COLLECTOR}logs.v1.LogsService/Export": partial(self._export, "logs"),
            f"{_COLLECTOR}metrics.v1.MetricsService/Export": self._not_stored,
            "/grpc.health.v1.Health/Check": _healthy,
        }

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """The handler that grpc asks for: bytes in, bytes out."""
        handler = self._handlers.get(details.method)
        return None if handler is None else grpc.unary_unary_rpc_method_handler(handler)

    def _export(self, signal: Signal, message: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            grant = self._access.authorize(_metadata(context), peer=context.peer().rpartition(":")[0])
            grant.require(Scope.INGEST)
            taken = self._intake.take(signal, bound(signal, _plain(message), grant.project))
            if taken.spooled is not None:
                taken.spooled.result()
        except AccessDenied as error:
            self._refuse(context, _DENIED[error.status], str(error))
        except StoreError as error:
            self._refuse(context, grpc.StatusCode.UNAVAILABLE, str(error), retry_after_s=1)
        except BodyTooLarge as error:
            self._refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except (BodyCorrupt, OtlpInvalid) as error:
            self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except SpoolFull as error:
            self._refuse(context, grpc.StatusCode.UNAVAILABLE, str(error), retry_after_s=1)
        self._intake.taken(taken)
        answer: bytes = taken.answer().SerializeToString()
        return answer

    def _not_stored(self, _message: bytes, context: grpc.ServicerContext) -> bytes:
        self._refuse(
            context,
            grpc.StatusCode.UNIMPLEMENTED,
            "this collector stores traces and GenAI's log events; export no metrics to it",
        )

    def _refuse(
        self, context: grpc.ServicerContext, code: grpc.StatusCode, message: str, retry_after_s: int | None = None
    ) -> NoReturn:
        """End the call with a status; how long to wait goes where the specification and where the Python SDK look."""
        self._intake.refused(_HTTP_STATUS[code])
        if retry_after_s is not None:
            retry = RetryInfo(retry_delay=Duration(seconds=retry_after_s))
            detail = AnyMessage()
            detail.Pack(retry)
            status = Status(code=code.value[0], message=message, details=[detail])
            context.set_trailing_metadata(
                (
                    ("grpc-status-details-bin", status.SerializeToString()),
                    ("google.rpc.retryinfo-bin", retry.SerializeToString()),
                )
            )
        context.abort(code, message)
        raise AssertionError("abort raises")


def _plain(message: bytes) -> bytes:
    """A message inflated, if it is compressed: none of these beginnings can be that of a trace request.

    A request's first byte is a field's tag; 0x1f and 0x78 are of fields (3 of no type, 15) that no request has.
    """
    if message.startswith(b"\x1f\x8b"):
        return inflated(message, "gzip")
    if message.startswith(b"\x78") and len(message) > 1 and int.from_bytes(message[:2]) % 31 == 0:
        return inflated(message, "deflate")
    return message


def _metadata(context: grpc.ServicerContext) -> dict[str, str]:
    """The call's metadata that is text: what headers are to HTTP."""
    return {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}


def _healthy(message: bytes, context: grpc.ServicerContext) -> bytes:
    """grpc.health.v1: the empty name is the server; SERVING is field 1, value 1."""
    if message and message[2:] != f"{_COLLECTOR[1:]}trace.v1.TraceService".encode():
        context.abort(grpc.StatusCode.NOT_FOUND, "no such service here")
    return b"\x08\x01"
