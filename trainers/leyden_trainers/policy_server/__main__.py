"""`python -m leyden_trainers.policy_server --model DIR`: serve a model until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from leyden_store.errors import LeydenError
from leyden_trainers.models import check_model

if TYPE_CHECKING:
    from leyden_trainers.policy_server.policy import Policy


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
    try:
        check_model(options.model)
        listener = _listen(options.host, options.port)
        policy = _policy(options)
    except (LeydenError, OSError) as error:
        print(f"leyden: {error}", file=sys.stderr)
        return 1
    _serve(policy, listener)
    return 0


def _policy(options: argparse.Namespace) -> Policy:
    import torch

    from leyden_trainers.policy_server.policy import Policy

    if options.threads:
        torch.set_num_threads(options.threads)
    _quiet()
    return Policy(
        options.model,
        name=options.served_model_name,
        policy_version=options.policy_version,
        always_return_token_ids=options.always_return_token_ids,
        max_batch=options.max_batch,
        device=options.device,
        seed=options.seed,
    )


def _serve(policy: Policy, listener: socket.socket) -> None:
    import uvicorn

    from leyden_trainers.policy_server.app import create_app

    host, port = listener.getsockname()[:2]
    print(f"http://{host}:{port}/v1", flush=True)
    config = uvicorn.Config(create_app(policy), log_level="warning", access_log=False, timeout_graceful_shutdown=10)
    uvicorn.Server(config).run(sockets=[listener])


def _quiet() -> None:
    from transformers.utils import logging

    logs: Any = logging
    logs.set_verbosity_error()
    logs.disable_progress_bar()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket: whoever reads the URL can connect at once."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


def add_options(parser: argparse.ArgumentParser) -> None:
    """The server's options."""
    parser.add_argument("--model", required=True, help="folder or hub name of a chat model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 picks a free one (default: %(default)s)")
    parser.add_argument("--served-model-name", help="name that requests ask for (default: the folder's)")
    parser.add_argument("--policy-version", default="0", help="which weights these are (default: %(default)s)")
    parser.add_argument(
        "--always-return-token-ids", action="store_true", help="token ids and logprobs on every reply, asked for or not"
    )
    parser.add_argument("--max-batch", type=int, default=64, help="responses sampled together (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="CPU threads for sampling (default: torch's)")
    parser.add_argument("--device", default="cpu", help="torch device (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="seed for requests that name none")


if __name__ == "__main__":
    sys.exit(main())
