"""As much of a Kubernetes API server as lists and watches pods, over HTTP; and what goes wrong.

As the real one: objects of a list have no ``kind``, those of a watch have; lists come in pages; a
revision that is compacted is answered with 410, or by an event; watches end, are cut in the middle
of a line, repeat, and bring bookmarks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATIENCE = 30


class ApiServer:
    """Pods of one namespace."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.pods: dict[str, dict[str, Any]] = {}
        self.revision = 100
        self.compacted = 0
        self.log: list[tuple[int, Any]] = []
        """What watches are told: ``(revision, event)``; ``(0, order)``, to those that are open."""
        self.watches: list[dict[str, str]] = []
        self.lists: list[dict[str, str]] = []
        self.refusals: list[tuple[int, dict[str, str]]] = []
        """What the next requests are answered instead: a status and headers."""
        self.list_metadata: Any = ...
        """What lists have for their metadata instead."""
        self.tells_gone_by_event = False
        self.closing = False

    # What happens

    def put(self, name: str, **labels: str) -> None:
        with self.changed:
            kind = "MODIFIED" if name in self.pods else "ADDED"
            self.revision += 1
            self.pods[name] = {
                "metadata": {
                    "name": name,
                    "namespace": "shop",
                    "resourceVersion": str(self.revision),
                    "labels": labels,
                },
                "spec": {"containers": [{"name": "main"}]},
            }
            self._tell(kind, self.pods[name])

    def delete(self, name: str) -> None:
        with self.changed:
            self.revision += 1
            pod = self.pods.pop(name)
            metadata = {**pod["metadata"], "resourceVersion": str(self.revision)}
            self._tell("DELETED", {**pod, "metadata": metadata})

    def _tell(self, kind: str, pod: Any) -> None:
        whole = {"kind": "Pod", "apiVersion": "v1", **pod}
        self.log.append((self.revision, {"type": kind, "object": whole}))
        self.changed.notify_all()

    def order(self, order: Any) -> None:
        """Have the open watches do something: ``"cut"``, ``"end"``, or tell an event."""
        with self.changed:
            self.log.append((0, order))
            self.changed.notify_all()

    def bookmark(self) -> None:
        with self.changed:
            self.revision += 1
        metadata = {"resourceVersion": str(self.revision)}
        self.order({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": metadata}})

    def repeat(self) -> None:
        """Tell all once more."""
        for revision, event in list(self.log):
            if revision:
                self.order(event)

    def compact(self) -> None:
        """Forget all revisions, and cut the watches, as a server that starts anew."""
        with self.changed:
            self.revision += 1
            self.compacted = self.revision
        self.order("cut")

    def forget(self, *names: str) -> None:
        """Something is deleted, and forgotten before any watch could be told of it."""
        with self.changed:
            self.log.append((0, "cut"))
            for name in names:
                del self.pods[name]
            self.revision += 1
            self.compacted = self.revision
            self.changed.notify_all()

    def restore(self, revision: int, *names: str) -> None:
        """It has these only, and knows of no later revision, as if from a backup."""
        with self.changed:
            self.log.append((0, "cut"))
            self.pods = {name: self.pods[name] for name in names}
            self.revision = revision
            self.changed.notify_all()

    # What is asked

    def await_watches(self, number: int) -> None:
        """Return when so many watches have been begun."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.watches) >= number, PATIENCE)

    def await_lists(self, number: int) -> None:
        """Return when so many lists have been asked for."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.lists) >= number, PATIENCE)

    def events(self, since: int, place: int) -> Iterator[Any]:
        told = since
        for revision, event in self.log[:place]:
            if revision > told:
                yield event
        for at in count(place):
            yield self.event_at(at)

    def event_at(self, place: int) -> Any:
        with self.changed:
            self.changed.wait_for(lambda: self.closing or len(self.log) > place)
            return "cut" if self.closing else self.log[place][1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: ApiServer

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        api = self.api
        watching = asked.get("watch", "").lower() == "true"
        with api.changed:
            (api.watches if watching else api.lists).append(asked)
            place = len(api.log)
            refusal = api.refusals.pop(0) if api.refusals else None
            api.changed.notify_all()
        if refusal is not None:
            status, headers = refusal
            self.answer({"kind": "Status", "code": status}, status, headers)
        elif watching:
            self.watch(asked, place)
        else:
            self.list(asked)

    def answer(self, said: Any, status: int = 200, headers: Any = ()) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def list(self, asked: dict[str, str]) -> None:
        api = self.api
        with api.changed:
            pods = [api.pods[name] for name in sorted(api.pods)]
            revision = api.revision
        start = int(asked.get("continue", "0"))
        stop = start + int(asked.get("limit", "100000"))
        metadata: Any = {"resourceVersion": str(revision)}
        if api.list_metadata is not ...:
            metadata = api.list_metadata
        if stop < len(pods):
            metadata["continue"] = str(stop)
        said = {"kind": "PodList", "apiVersion": "v1", "metadata": metadata}
        self.answer({**said, "items": pods[start:stop]})

    def watch(self, asked: dict[str, str], place: int) -> None:
        since = int(asked["resourceVersion"])
        gone = since < self.api.compacted
        told = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
        if gone and not self.api.tells_gone_by_event:
            self.answer(told, 410)
            return
        if since > self.api.revision:
            words = f"Timeout: Too large resource version: {since}, current: {self.api.revision}"
            ahead = {"kind": "Status", "code": 504, "reason": "Timeout", "message": words}
            if not self.api.tells_gone_by_event:
                self.answer(ahead, 504)
                return
            gone, told = True, ahead
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if gone:
            self.chunk({"type": "ERROR", "object": told})
            self.wfile.write(b"0\r\n\r\n")
            return
        for event in self.api.events(since, place):
            if event == "end":
                self.wfile.write(b"0\r\n\r\n")
                return
            if event == "cut":
                self.piece(b'{"type": "ADDED", "object": {"metadata": {"name": "ha')
                self.close_connection = True
                return
            self.chunk(event)

    def chunk(self, event: Any) -> None:
        # In two pieces: what is read need not end where a line does.
        line = json.dumps(event).encode() + b"\n"
        self.piece(line[:20])
        self.piece(line[20:])

    def piece(self, part: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.flush()


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who was told something has gone: that is what is tested here."""


@contextmanager
def serving() -> Iterator[tuple[ApiServer, str]]:
    """A server, and its address."""
    api = ApiServer()
    server = Quiet(("127.0.0.1", 0), type("Bound", (Handler,), {"api": api}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield api, f"http://127.0.0.1:{server.server_port}"
    finally:
        with api.changed:
            api.closing = True
            api.changed.notify_all()
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)
