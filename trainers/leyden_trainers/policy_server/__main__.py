"""`python -m leyden_trainers.policy_server (--model DIR | --upstream URL)`: serve until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from leyden_store.errors import LeydenError
from leyden_store.listening import bound
from leyden_store.owned import end_with_owner
from leyden_trainers.models import check_model

if TYPE_CHECKING:
    from fastapi import FastAPI

    from leyden_trainers.policy_server.app import Front
    from leyden_trainers.policy_server.backend import Backend
    from leyden_trainers.policy_server.recording.recorder import Recorder

UPSTREAM_KEY = "LEYDEN_UPSTREAM_KEY"


def main(arguments: list[str] | None = None) -> int:
    """As `serve`, with options from the command line."""
    parser = argparse.ArgumentParser(prog="python -m leyden_trainers.policy_server", description=__doc__)
    add_options(parser)
    return serve(parser.parse_args(arguments))


def serve(options: argparse.Namespace) -> int:
    """Print the server's URL once it answers, then serve. The exit code is 0 when told to stop, 1 when it cannot."""
    # uvicorn takes these over while it serves, and raises them once more when it has ended in order.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: sys.exit(0))
    end_with_owner()
    try:
        if options.model:
            check_model(options.model)
        listener = _listen(options.host, options.port)
        # The model's libraries are loaded where there is a model of ours: an upstream is served without them.
        app = _model_app(options) if options.model else _upstream_app(options)
    except (LeydenError, OSError) as error:
        print(f"leyden: {error}", file=sys.stderr)
        return 1
    _serve(app, listener, options.drain)
    return 0


def _model_app(options: argparse.Namespace) -> FastAPI:
    import torch

    from leyden_trainers.policy_server.policy import Policy
    from leyden_trainers.policy_server.routes import model_app

    if options.threads:
        torch.set_num_threads(options.threads)
    _quiet()
    policy = Policy(
        options.model,
        name=options.served_model_name,
        policy_version=options.policy_version or "0",
        max_batch=options.max_batch,
        device=options.device,
        seed=options.seed,
    )
    return model_app(_front(options, policy), policy)


def _upstream_app(options: argparse.Namespace) -> FastAPI:
    from leyden_trainers.policy_server.routes import upstream_app
    from leyden_trainers.policy_server.upstream import Patience, Upstream

    upstream = Upstream(
        options.upstream,
        key=os.environ.get(UPSTREAM_KEY),
        policy_version=options.policy_version,
        patience=Patience(options.retries),
        timeout=options.timeout,
    )
    return upstream_app(_front(options, upstream), upstream)


def _front(options: argparse.Namespace, backend: Backend) -> Front:
    from leyden_trainers.policy_server.app import Front

    recorder = _recorder(options, backend) if options.collector else None
    return Front(backend, recorder, show_ids=options.always_return_token_ids, max_body=int(options.max_body * 2**20))


def _recorder(options: argparse.Namespace, backend: Backend) -> Recorder:
    from leyden_trainers.policy_server.recording import recorder_for

    return recorder_for(options.collector, backend, project=options.project)


def _serve(app: FastAPI, listener: socket.socket, drain: int) -> None:
    import uvicorn

    host, port = listener.getsockname()[:2]
    print(f"http://{host}:{port}/v1", flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=drain)
    uvicorn.Server(config).run(sockets=[listener])


def _quiet() -> None:
    from transformers.utils import logging

    logs: Any = logging
    logs.set_verbosity_error()
    logs.disable_progress_bar()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket: whoever reads the URL can connect at once."""
    try:
        listener = bound(host, port)
        listener.listen()
        return listener
    except OSError as error:
        # getaddrinfo's numbers are none of the system's.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
        raise OSError(f"cannot listen on {host}:{port}: {why}") from error


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is no URL: begin it with http:// or https://")
    return text


def add_options(parser: argparse.ArgumentParser) -> None:
    """The server's options."""
    served = parser.add_mutually_exclusive_group(required=True)
    served.add_argument("--model", help="folder or hub name of a chat model to sample from")
    served.add_argument(
        "--upstream",
        type=_url,
        metavar="URL",
        help=f"base URL of a server to hand requests on to; its key: ${UPSTREAM_KEY}",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 picks a free one (default: %(default)s)")
    parser.add_argument("--policy-version", metavar="V", help="which weights these are (of a model: 0)")
    parser.add_argument(
        "--always-return-token-ids", action="store_true", help="token ids and logprobs on every reply, asked for or not"
    )
    parser.add_argument("--max-body", type=float, default=64, metavar="MIB", help="largest request (default: 64)")
    parser.add_argument(
        "--drain", type=int, default=10, metavar="S", help="seconds that requests have to end when told to stop"
    )
    recording = parser.add_argument_group("recording")
    recording.add_argument("--collector", type=_url, metavar="URL", help="record every call as a span there")
    recording.add_argument("--project", help="the project of calls that name none (default: $LEYDEN_PROJECT)")
    model = parser.add_argument_group("with --model")
    model.add_argument("--served-model-name", help="name that requests ask for (default: the folder's)")
    model.add_argument("--max-batch", type=int, default=64, help="responses sampled together (default: %(default)s)")
    model.add_argument("--threads", type=int, help="CPU threads for sampling (default: torch's)")
    model.add_argument("--device", default="cpu", help="torch device (default: %(default)s)")
    model.add_argument("--seed", type=int, help="seed for requests that name none")
    upstream = parser.add_argument_group("with --upstream")
    upstream.add_argument("--retries", type=int, default=3, help="times it is asked again (default: %(default)s)")
    upstream.add_argument(
        "--timeout", type=float, default=600, metavar="S", help="seconds without a byte (default: %(default)s)"
    )


if __name__ == "__main__":
    sys.exit(main())
