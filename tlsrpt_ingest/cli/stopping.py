"""Ctrl-C and SIGTERM: the batch in hand is finished, then the run stops and says so; a second signal stops at once."""

import signal
from types import FrameType, TracebackType
from typing import Self


class Stopping:
    """Within its `with`, the first SIGINT or SIGTERM only sets `asked`; calling it answers whether one came."""

    def __init__(self) -> None:
        self.asked: int = 0
        self._before: dict[int, signal.Handlers | int | object] = {}

    def __call__(self) -> bool:
        """Whether a signal came."""
        return bool(self.asked)

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # what signal.signal returned, it takes back

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.asked = number
        signal.signal(number, self._before[number])  # type: ignore[arg-type] # as above
