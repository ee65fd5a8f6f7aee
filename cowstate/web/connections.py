"""How long a connection may be there and ask nothing, and how many there are: `Connection`."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["PATIENCE", "Connection"]

PATIENCE: Final = 10.0
"""How long, in seconds, a whole request may take to come, and what is sent to be taken."""

MOST: Final = 400
"""How many connections there may be at once: twice as many as browsers that are told."""


class Connection(H11Protocol):
    """One that uvicorn serves, until nothing has moved on it from one look at it to the next.

    Who connects and asks nothing, a byte a minute of it or but a part, and who takes nothing of
    what is sent, would keep a place for ever; and a process has only so many. Of too many that
    one has to go that has waited longest without a question that could be answered.
    """

    _since = 0.0
    _looks: asyncio.TimerHandle | None = None
    _moved: tuple[Any, int] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, and make room for it."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._looks = self.loop.call_later(PATIENCE, self._look)
        ours = [each for each in self.connections if isinstance(each, Connection) and each.is_open]
        if len(ours) > MOST:
            # Those that are answered come last, and of those whoever came last.
            min(ours, key=lambda each: (not each.waits, each._since)).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._looks is not None:
            self._looks.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, also in the midst of what is being answered.

        A body may be found broken when its request is being answered. To go on answering, or to
        answer twice, is an error, and each would leave a traceback in the log: who sends such
        requests could fill it.
        """
        cycle = self.cycle
        if cycle and not cycle.response_complete:  # there is none before the first question
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.abort()
                return
        super().send_400_response(msg)

    def end(self) -> None:
        """Let it go if it waits for somebody to take what was sent, for then it would not end."""
        if self.flow.write_paused:
            self.transport.abort()

    @property
    def is_open(self) -> bool:
        """Whether nobody has let it go yet, which takes a moment."""
        return not self.transport.is_closing()

    @property
    def waits(self) -> bool:
        """Whether there is no question that is being answered."""
        # There is none before the first question, whatever uvicorn's types say.
        return not self.cycle or self.cycle.response_complete

    def _look(self) -> None:
        left = self.transport.get_write_buffer_size()
        stands = self.waits or self.flow.write_paused
        now = self.cycle, left
        if stands and now == self._moved:
            self.transport.abort()
            return
        self._moved = now if stands else None
        self._looks = self.loop.call_later(PATIENCE, self._look)
