"""Servers of ours answer at once, whatever a client does about acknowledging what it got."""

from __future__ import annotations

import asyncio
import socket

import pytest

from leyden_store.listening import bound


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_reply_does_not_wait_for_the_one_before_it_to_be_acknowledged(host: str) -> None:
    async def accepted() -> bool:
        found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            own: socket.socket = writer.get_extra_info("socket")
            found.set_result(bool(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        async with await asyncio.start_server(connected, sock=bound(host, 0)) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            answer = await found
            writer.close()
            return answer

    try:
        bound(host, 0).close()
    except OSError:
        assert host == "::1"
        pytest.skip("NOT RUN: this machine has no IPv6")
    assert asyncio.run(accepted())


def test_an_address_that_is_taken_is_refused_and_no_socket_stays_open() -> None:
    with bound("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(OSError, match="in use"):
            bound(*first.getsockname())
