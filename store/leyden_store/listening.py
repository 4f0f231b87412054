"""Sockets that servers of ours listen on."""

from __future__ import annotations

import os
import socket


def bound(host: str, port: int) -> socket.socket:
    """A TCP socket at that address, of IPv6 where it has a colon; port 0 takes a free one. Raises OSError.

    It says that it speaks TCP: asyncio switches Nagle's algorithm (RFC 896) off only where a socket does. Else a reply,
    whose head and body are sent one after the other, waits for a client that acknowledges late (RFC 1122, section
    4.2.3.2): 40 ms a call on Linux.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # elsewhere it lets two programs have one port
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
