"""A thread that reads ahead and one that works behind; little waits in their queues."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")
_TICK_S = 0.1


class ReadAhead(Generic[_T]):
    """Takes from an iterator in a thread, never more than a few things ahead.

    Args:
        source: What is read.
        size: How many things may wait.
    """

    def __init__(self, source: Iterator[_T], size: int) -> None:
        self._source = source
        self._waiting: queue.Queue[tuple[str, Any]] = queue.Queue(size)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="film reader", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for thing in self._source:
                if not self._put(("thing", thing)):
                    return
            self._put(("end", None))
        except BaseException as error:
            self._put(("error", error))
        finally:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()

    def _put(self, entry: tuple[str, Any]) -> bool:
        while not self._stop.is_set():
            with suppress(queue.Full):
                self._waiting.put(entry, timeout=_TICK_S)
                return True
        return False

    def __iter__(self) -> Iterator[_T]:
        while True:
            kind, thing = self._waiting.get()
            if kind == "error":
                raise thing
            if kind == "end":
                return
            yield thing

    def close(self) -> None:
        """Stop reading; waits for the thread, but not for a source that does not answer."""
        self._stop.set()
        self._thread.join(timeout=5)


class Worker:
    """Does jobs one after the other in a thread; an error of one stops it and reaches the caller.

    Args:
        size: How many jobs may wait.
    """

    def __init__(self, size: int) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(size)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="film writer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._error is not None:
                continue
            try:
                job()
            except BaseException as error:
                self._error = error

    def submit(self, job: Callable[[], None]) -> None:
        """Add a job; waits while the queue is full.

        Raises:
            BaseException: What an earlier job raised.
        """
        self._raise()
        self._jobs.put(job)

    def close(self) -> None:
        """Wait for all jobs.

        Raises:
            BaseException: What a job raised.
        """
        self.stop()
        self._raise()

    def stop(self) -> None:
        """Wait for all jobs, whatever became of them."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
