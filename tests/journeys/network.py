"""A network that fails: a forwarder between browser and product whose connections can be cut."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


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
