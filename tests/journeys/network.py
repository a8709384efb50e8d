"""A network that fails: a forwarder between browser and product whose connections can be cut."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: what is closed is reset, and what was on its way is dropped."""


class Network:
    """Carries bytes to `target`. While `down`, it drops whoever calls."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (address.hostname, address.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.down = False
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._run(self._accept)

    def cut(self) -> None:
        """Break all connections, in the middle of whatever they carry."""
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(timeout=5)

    def _run(self, function, *arguments) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                caller, _address = self._listener.accept()
            except OSError:
                return
            if self.down:
                caller.close()
            else:
                self._run(self._carry, caller)

    def _carry(self, caller: socket.socket) -> None:
        with caller, socket.create_connection(self._target) as called:
            ends = {caller, called}
            self._open |= ends
            back = threading.Thread(target=_pump, args=(called, caller), daemon=True)
            back.start()
            _pump(caller, called)
            back.join()
            self._open -= ends


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def network_to(target: str) -> Iterator[Network]:
    network = Network(target)
    try:
        yield network
    finally:
        network.close()


class Scissors:
    """Carries bytes to one of `targets` after the other, and cuts each connection after a random number of
    bytes from there: half of them with an orderly end, half with a reset. The same `seed`, the same numbers.
    """

    def __init__(self, targets: Sequence[str], *, seed: int, least: int, most: int) -> None:
        self._targets = [urlsplit(target) for target in targets]
        self._random = random.Random(seed)
        self._bounds = (least, most)
        self._loop = asyncio.new_event_loop()
        self._carrying: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.cuts = 0
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(listener),))
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _serve(self, listener: socket.socket) -> None:
        self._closing = asyncio.Event()
        async with await asyncio.start_server(self._carry, sock=listener):
            await self._closing.wait()
            for task in self._carrying:
                task.cancel()
            await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _carry(self, asked: asyncio.StreamReader, answered: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        target = self._targets[self.connections % len(self._targets)]
        self.connections += 1
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
        forth = asyncio.create_task(_copy(asked, writer))
        forth.add_done_callback(lambda _done: writer.transport.abort())
        try:
            await self._cut_after(self._random.randint(*self._bounds), reader, answered)
        except OSError:
            pass  # one of the two hung up first
        finally:
            forth.cancel()
            writer.transport.abort()
            answered.transport.abort()
            self._carrying.discard(task)

    async def _cut_after(self, left: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(left):
            writer.write(data)
            await writer.drain()
            left -= len(data)
            if not left:
                self.cuts += 1
                if self._random.random() < 0.5:
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                return
        writer.close()
        await writer.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@contextmanager
def scissors(targets: Sequence[str], *, seed: int, least: int, most: int) -> Iterator[Scissors]:
    cutting = Scissors(targets, seed=seed, least=least, most=most)
    try:
        yield cutting
    finally:
        cutting.close()
