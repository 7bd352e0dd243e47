"""Work on many batches at a time, each on one thread."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_threads(
    work: Callable[[Item], Result], items: Iterable[Item], count: int
) -> Iterator[tuple[Item, Result]]:
    """Yield every item with work(item), in order.

    Operations that stream through memory keep one core busy however many threads they have, and
    small matrix products little more. Between the items all threads are the caller's again. Results
    do not depend on the number of threads.

    Parameters
    ----------
    work
        Of one item; releases the interpreter's lock in its long operations, as torch's do.
    items
        Taken as they are needed.
    count
        Of items at a time.
    """
    if count == 1:
        for item in items:
            yield item, work(item)
        return
    source, before = iter(items), torch.get_num_threads()
    with ThreadPoolExecutor(count, initializer=_one_thread) as pool:
        while group := list(islice(source, count)):
            results = list(pool.map(work, group))
            # the workers' number of threads must not become the caller's
            torch.set_num_threads(before)
            yield from zip(group, results, strict=True)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, and the caller's number again afterwards.

    A prediction is made of pieces that fit into the caches of a core. A second thread saves a
    quarter of the time at 100 to 500 atoms and nothing else, for twice the processor time, and
    where other work runs every piece waits for it: molecular dynamics then take ten times as long.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _one_thread() -> None:
    """Let the operations of this thread stay on it."""
    # the first question takes the process's number for this thread: it would undo the setting
    torch.get_num_threads()
    torch.set_num_threads(1)
