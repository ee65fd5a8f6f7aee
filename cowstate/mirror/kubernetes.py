"""A source of the objects of a Kubernetes API, by the official client: `KubernetesSource`.

Needs the extra ``kubernetes``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar, final

from ..errors import ArgumentTypeError, ArgumentValueError, MissingExtraError
from ..freezing import freeze
from ..showing import shown
from ..slips import ensure_function
from .errors import RevisionGoneError
from .options import checked_seconds
from .source import Changes, Listed, News

try:
    from kubernetes.client.exceptions import ApiException
except ImportError as error:
    raise MissingExtraError("cowstate.mirror.kubernetes", "kubernetes") from error

__all__ = ["KubernetesSource", "key_of"]

V = TypeVar("V")

_GRACE: Final = 15.0
"""How many seconds more than the server was told to end a watch in it may take to do so."""

_CONNECT: Final = 10.0
_READ: Final = 60.0
"""For how many seconds at most a connection is tried, and a list may say nothing."""

_LONGEST: Final = 16 << 20
"""How many bytes an event may be. The API takes objects of 3 MiB; what has no end fills memory."""


def key_of(thing: Any) -> str:
    """Return the key of an object, as the Kubernetes client has it: ``namespace/name``, or name.

    >>> key_of({"metadata": {"namespace": "shop", "name": "web-1"}})
    'shop/web-1'
    >>> key_of({"metadata": {"name": "node-1"}})
    'node-1'
    """
    try:
        metadata = thing["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace")
    except (TypeError, KeyError, AttributeError):
        raise ArgumentValueError(f"{shown(thing)} is no object of Kubernetes: no name") from None
    return f"{namespace}/{name}" if namespace else str(name)


@final
class KubernetesSource(Generic[V]):
    """The objects that a list method of the official client gives, such as all pods.

    Lists in pages, as of one moment; then watches with bookmarks. A watch that the server ends, as
    it does every few minutes, goes on where it was; after ``410 Gone`` the mirror lists again.
    Whatever else the server answers is an ``ApiException``. The objects are those of the API, as
    JSON, frozen (see `cowstate.freeze`): no reader can change them. Those of a list get their
    ``kind`` and ``apiVersion``, which the API gives with those of a watch alone.

    It is for one mirror, and reads with the client that it is given: one that others use, too, is
    all right, for each request takes a connection of its own out of the client's pool.

    Args:
        list_method: a list method of the client, such as ``CoreV1Api().list_namespaced_pod``.
        arguments: what to call it with by position, such as the namespace.
        decode: a function of an object, as nested dicts and lists, that returns the record.
        page: how many objects are asked for at once.
        timeout: after how many seconds the server is to end a watch.
        options: what to call it with by name, such as ``label_selector="app=web"``.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.

    >>> from kubernetes.client import CoreV1Api
    >>> source = KubernetesSource(CoreV1Api().list_namespaced_pod, "shop", label_selector="app=web")
    """

    def __init__(
        self,
        list_method: Callable[..., Any],
        /,
        *arguments: Any,
        decode: Callable[[Any], V] = freeze,
        page: int = 500,
        timeout: float = 300.0,
        **options: Any,
    ) -> None:
        ensure_function(list_method, "list_method is a list method of the Kubernetes client")
        ensure_function(decode, "decode is a function of an object")
        if isinstance(page, bool) or not isinstance(page, int) or page < 1:
            raise ArgumentValueError(f"page must be a whole number from 1, not {shown(page)}")
        taken = _OURS & options.keys()
        if taken:
            raise ArgumentTypeError(f"{shown(min(taken))} is the source's own to set; leave it out")
        self._method = list_method
        self._arguments = arguments
        self._options = options
        self._decode = decode
        self._page = page
        self._timeout = checked_seconds("timeout", timeout, above_zero=True)
        self._response: Any = None
        self._stopped = False

    def list(self) -> Listed[str, V]:
        """Return all objects, and the revision of the list.

        Raises:
            ApiException: the server answers something else; or a list without a revision, as of
                what cannot be watched.
        """
        try:
            return self._all(self._page)
        except RevisionGoneError:
            # It went while its pages were read; in one piece there is nothing to go.
            return self._all(None)

    def _all(self, page: int | None) -> Listed[str, V]:
        items: dict[str, V] = {}
        token: str | None = None
        tokens: set[str] = set()
        while True:
            options = {"limit": page, "_continue": token}
            said = self._json({name: each for name, each in options.items() if each is not None})
            metadata = said.get("metadata") or {}
            for each in said.get("items") or ():
                _complete(each, said)
                items[key_of(each)] = self._decode(each)
            token = metadata.get("continue") or None
            if token is None:
                return Listed(items, _revision_in(metadata))
            if token in tokens:
                raise ApiException(status=None, reason="the pages of the list go round in a ring")
            tokens.add(token)

    def watch(self, revision: Any, /) -> Iterator[News[str, V]]:
        """Yield what changes after *revision*.

        Raises:
            RevisionGoneError: the server does not know any more what changed since then, or, as
                one that was restored, not yet.
            ApiException: the server answers something else.

        >>> from kubernetes.client import CoreV1Api
        >>> source = KubernetesSource(CoreV1Api().list_node)
        >>> source.stop()
        >>> list(source.watch("7"))
        []
        """
        if self._stopped:
            return
        response = self._ask(
            {
                "watch": True,
                "resource_version": str(revision),
                "allow_watch_bookmarks": True,
                "timeout_seconds": max(1, int(self._timeout)),
                "_request_timeout": (_CONNECT, self._timeout + _GRACE),
            },
            revision,
        )
        self._response = response
        try:
            yield from self._told(response, revision)
        finally:
            self._response = None
            # Not given back to the pool: there may be more in it.
            response.close()

    def _told(self, response: Any, revision: Any) -> Iterator[News[str, V]]:
        if self._stopped:  # before there was a response to be shut down
            return
        yield Changes()  # it answers
        for line in _lines(response):
            yield self._event(json.loads(line), revision)

    def stop(self) -> None:
        """Have the watch end, from another thread.

        >>> from kubernetes.client import CoreV1Api
        >>> KubernetesSource(CoreV1Api().list_node).stop()
        """
        self._stopped = True
        response = self._response
        if response is not None:
            try:
                response.shutdown()
            except (OSError, RuntimeError, ValueError):
                pass  # it has just ended by itself

    # One request

    def _json(self, options: dict[str, Any]) -> Any:
        response = self._ask({**options, "_request_timeout": (_CONNECT, _READ)}, None)
        try:
            return json.loads(response.data)
        finally:
            response.release_conn()

    def _ask(self, options: dict[str, Any], revision: Any) -> Any:
        try:
            # The client raises for whatever is no success.
            return self._method(
                *self._arguments, **self._options, **options, _preload_content=False
            )
        except ApiException as error:
            if error.status == HTTPStatus.GONE or is_ahead(error.body):
                raise RevisionGoneError(revision) from error
            _tell_when(error)
            raise

    def _event(self, event: Any, revision: Any) -> Changes[str, V]:
        kind, thing = event["type"], event["object"]
        if kind == "ERROR":
            if thing.get("code") == HTTPStatus.GONE or is_ahead(thing.get("message")):
                raise RevisionGoneError(revision)
            raise ApiException(status=thing.get("code"), reason=_reason(thing))
        at = revision_of(thing["metadata"].get("resourceVersion"))
        if kind == "BOOKMARK":
            return Changes(revision=at)
        if kind == "DELETED":
            return Changes({}, (key_of(thing),), at)
        if kind in ("ADDED", "MODIFIED"):
            return Changes({key_of(thing): self._decode(thing)}, (), at)
        raise ApiException(status=None, reason=f"an event of the unknown type {shown(kind)}")


_OURS: Final = frozenset(
    {
        *("watch", "limit", "_continue", "resource_version", "allow_watch_bookmarks"),
        *("timeout_seconds", "_preload_content", "_request_timeout"),
    }
)


def _lines(response: Any) -> Iterator[bytes]:
    """Yield the lines as they come; what comes after the last end of a line is no event."""
    held = bytearray()
    for piece in response.stream(amt=None, decode_content=False):
        first, *others = piece.split(b"\n")
        held += first
        if len(held) > _LONGEST:
            raise ApiException(
                status=None, reason=f"an event of more than {_LONGEST:,} bytes, as none is"
            )
        if others:
            yield from (line for line in (bytes(held), *others[:-1]) if line.strip())
            held = bytearray(others[-1])


def _revision_in(metadata: dict[str, Any]) -> Any:
    revision = revision_of(metadata.get("resourceVersion"))
    if revision in (None, ""):
        raise ApiException(
            status=None,
            reason="the list has no resourceVersion, so nothing can be watched from there on; "
            "keep it with a PollingSource",
        )
    return revision


def _complete(each: dict[str, Any], said: dict[str, Any]) -> None:
    kind, version = said.get("kind"), said.get("apiVersion")
    if isinstance(kind, str) and kind.endswith("List"):
        each.setdefault("kind", kind.removesuffix("List"))
    if version is not None:
        each.setdefault("apiVersion", version)


def revision_of(version: Any) -> Any:
    """Return a resource version as an int, of which two can be compared, where it is a number.

    >>> revision_of("17"), revision_of("a17")
    (17, 'a17')
    """
    if isinstance(version, str) and version.isascii() and version.isdigit():
        return int(version)
    return version


def is_ahead(said: Any) -> bool:
    """Whether a server says that it is not as far as the revision asked for, as a restored one.

    >>> is_ahead(b'{"message": "Timeout: Too large resource version: 9, current: 5"}')
    True
    """
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return isinstance(text, str) and "Too large resource version" in text


def _reason(thing: Any) -> str:
    return f"{thing.get('reason')}: {thing.get('message')}"


def _tell_when(error: Any) -> None:
    """Add to *error* what the server said of when to come again."""
    headers = error.headers or {}
    after = headers.get("Retry-After", headers.get("retry-after"))
    if isinstance(after, str) and after.isascii() and after.isdigit():
        error.retry_after = float(after)
