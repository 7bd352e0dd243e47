"""Executors: where `concurrent.futures` tasks run."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import multiprocessing
import os
import shlex
import signal
import socket
import sys
import threading
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dosml.errors import EngineMissingError
from dosml.relabel.execution.slurm import slurm_is_here
from dosml.version import install_hint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from dosml.relabel.execution.lock import DriverLock
    from dosml.relabel.execution.settings import RunSettings

#: Every numerical library obeys one of these; they are read when a worker starts.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextlib.contextmanager
def process_executor(workers: int, *, one_thread: bool = True) -> Iterator[Executor]:
    """Worker processes that end with this one, even when it is killed.

    Parameters
    ----------
    workers
        Processes at a time; each starts when it is first needed.
    one_thread
        Let their numerical libraries use one thread each. Otherwise the user's variables hold.
    """
    _start_tracker()
    # Workers read the variables before any code of ours runs there, so they are set here.
    kept = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    if one_thread:
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        # spawn, not fork: the parent may hold threads of numerical libraries
        context = multiprocessing.get_context("spawn")
        leash, hand = context.Pipe(duplex=False)
        with (
            leash,
            hand,
            ProcessPoolExecutor(
                max_workers=workers,
                mp_context=context,
                initializer=_end_with_driver,
                initargs=(leash,),
            ) as pool,
        ):
            try:
                yield pool
            except KeyboardInterrupt:
                # what runs is lost, what is finished is on disk
                hand.close()
                raise
            finally:
                # what waits is dropped, what runs comes to its end: the folder is held until then
                pool.shutdown(cancel_futures=True)
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_tracker() -> None:
    """Start the process that cleans up after a pool; a terminal that goes does not take it along.

    It ignores Ctrl-C and SIGTERM by itself, but SIGHUP reaches it with all others of the terminal,
    and a driver whose tracker is gone warns of leaks.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # only there may signals be set
    kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        resource_tracker.ensure_running()
    finally:
        signal.signal(signal.SIGHUP, kept)


def _end_with_driver(leash: Connection) -> None:
    """End this worker when the driver is killed, or lets go of the other end of the leash.

    A pool's workers would wait for ever. A signal of the terminal ends it without a word, and
    before it takes the end of a program that it started for a failed calculation.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, lambda *_: os._exit(1))

    def watch() -> None:
        wait([parent.sentinel, leash])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def check_slurm_executor() -> None:
    """Find out before any work whether pilots can be started from here.

    Raises
    ------
    EngineMissingError
        If Parsl is not installed, or there is no Slurm.
    """
    if importlib.util.find_spec("parsl") is None:
        raise EngineMissingError(
            f"the slurm executor needs the package parsl: {install_hint('cluster')}"
        )
    if not slurm_is_here():
        raise EngineMissingError(
            "no Slurm here (sbatch is not on the PATH): start the run on a login node, or set "
            'executor = "processes"'
        )


@contextlib.contextmanager
def slurm_executor(
    settings: RunSettings, lock: DriverLock, *, one_thread: bool = True
) -> Iterator[Executor]:
    """Parsl pilots: Slurm jobs whose workers take one task after the other.

    Parameters
    ----------
    settings
        What the pilots ask for.
    lock
        Held by the caller; it records the pilots.
    one_thread
        Let numerical libraries use one thread, unless the user's `setup` says otherwise.

    Raises
    ------
    EngineMissingError
        If Parsl is not installed, or there is no Slurm.
    """
    check_slurm_executor()
    import parsl
    from parsl.concurrent import ParslPoolExecutor

    # Parsl's log is in its run folder; the console belongs to the progress bar
    logging.getLogger("parsl").propagate = False
    config, pilots = _parsl_config(settings, lock, one_thread=one_thread)
    pool = ParslPoolExecutor(config)
    try:
        lock.note(interchange_pid=pilots.interchange_proc.pid)
        yield pool
    finally:
        # without waiting: where a run ends early, its pilots are cancelled with what they hold
        pool.shutdown(wait=False)
        parsl.clear()


def own_addresses() -> set[str]:
    """Addresses of this machine; a pilot's workers try all of them."""
    from parsl.addresses import address_by_hostname, address_by_interface

    found: set[str] = set()
    for _, interface in socket.if_nameindex():
        with contextlib.suppress(OSError):
            found.add(address_by_interface(interface))
    with contextlib.suppress(OSError):
        found.add(address_by_hostname())
    return found or {"127.0.0.1"}


def _parsl_config(settings: RunSettings, lock: DriverLock, *, one_thread: bool) -> tuple[Any, Any]:
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.jobs.error_handlers import windowed_error_handler
    from parsl.launchers import SingleNodeLauncher, SrunLauncher
    from parsl.providers import SlurmProvider

    slurm = settings.slurm
    programs = Path(sys.executable).parent  # Parsl's own are beside Python
    threads = [f"export {name}=1" for name in THREAD_VARIABLES] if one_thread else []

    class RecordedProvider(SlurmProvider):
        """Tells the lock of every pilot."""

        def submit(self, *arguments: Any, **named: Any) -> Any:
            identity = super().submit(*arguments, **named)
            if identity:
                lock.add_slurm_job(str(identity))
            return identity

        @property
        def status_polling_interval(self) -> int:
            return slurm.poll_seconds

    provider = RecordedProvider(
        partition=slurm.partition,
        account=slurm.account,
        qos=slurm.qos,
        constraint=slurm.constraint,
        nodes_per_block=slurm.nodes,
        cores_per_node=slurm.cores_per_node,
        mem_per_node=slurm.memory_gb,
        gpus_per_node=slurm.gpus_per_node or None,
        init_blocks=slurm.pilots,
        min_blocks=0,
        max_blocks=slurm.pilots,
        walltime=slurm.walltime,
        scheduler_options="\n".join(f"#SBATCH {line}" for line in slurm.sbatch),
        # first what the user may change, last what must hold: the node finds the same Python and
        # packages, whatever its shell sets up
        worker_init="\n".join(
            [*threads, slurm.setup, f"export PATH={shlex.quote(str(programs))}:$PATH"]
        ),
        exclusive=slurm.exclusive,
        cmd_timeout=60,
        launcher=SingleNodeLauncher() if slurm.nodes == 1 else SrunLauncher(),
    )
    addresses = {slurm.address} if slurm.address else own_addresses()
    pilots = HighThroughputExecutor(
        label=lock.label,
        # left to itself Parsl also asks a web service for the address
        address=min(addresses),
        interchange_launch_cmd=[str(programs / "interchange.py")],
        provider=provider,
        max_workers_per_node=slurm.jobs_per_node,
        cores_per_worker=1e-6,  # the number of workers is jobs_per_node, not a share of the cores
        available_accelerators=slurm.gpus_per_node,
        heartbeat_period=max(1, slurm.heartbeat_seconds // 4),
        heartbeat_threshold=slurm.heartbeat_seconds,
        block_error_handler=windowed_error_handler,
    )
    pilots.all_addresses = addresses
    config = Config(
        executors=[pilots],
        run_dir=str(lock.folder / "parsl"),
        strategy="simple",
        strategy_period=min(5, slurm.poll_seconds),
        retries=0,
        initialize_logging=False,
    )
    return config, pilots
