"""Executors: where `concurrent.futures` tasks run."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import socket
import sys
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dosml.errors import EngineMissingError
from dosml.relabel.execution.slurm import slurm_is_here
from dosml.relabel.pool import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dosml.relabel.execution.lock import DriverLock
    from dosml.relabel.execution.settings import RunSettings


@contextlib.contextmanager
def open_executor(settings: RunSettings, lock: DriverLock) -> Iterator[Executor]:
    """Executor of a run: worker processes here, or pilots on Slurm.

    Parameters
    ----------
    settings
        Which one, how large.
    lock
        Held by the caller; it records the pilots.

    Raises
    ------
    EngineMissingError
        If Parsl or Slurm is asked for and not there.
    """
    if settings.executor == "processes":
        with process_executor(settings.workers) as pool:
            yield pool
        return
    with slurm_executor(settings, lock) as pool:
        yield pool


@contextlib.contextmanager
def process_executor(workers: int) -> Iterator[Executor]:
    """Worker processes that end with this one, even when it is killed."""
    # spawn, not fork: the parent may hold threads of numerical libraries
    with ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=die_with_parent,
    ) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def slurm_executor(settings: RunSettings, lock: DriverLock) -> Iterator[Executor]:
    """Parsl pilots: Slurm jobs whose workers take one task after the other.

    Raises
    ------
    EngineMissingError
        If Parsl is not installed, or there is no Slurm.
    """
    try:
        import parsl
        from parsl.concurrent import ParslPoolExecutor
    except ImportError as error:
        raise EngineMissingError(
            "the slurm executor needs the package parsl: pip install 'dosml[cluster]'"
        ) from error
    if not slurm_is_here():
        raise EngineMissingError(
            "no Slurm here (sbatch is not on the PATH): start the run on a login node, or set "
            'executor = "processes"'
        )
    # Parsl's log is in its run folder; the console belongs to the progress bar
    logging.getLogger("parsl").propagate = False
    config, pilots = _parsl_config(settings, lock)
    pool = ParslPoolExecutor(config)
    try:
        lock.note(interchange_pid=pilots.interchange_proc.pid)
        yield pool
    finally:
        pool.shutdown()
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


def _parsl_config(settings: RunSettings, lock: DriverLock) -> tuple[Any, Any]:
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.jobs.error_handlers import windowed_error_handler
    from parsl.launchers import SingleNodeLauncher, SrunLauncher
    from parsl.providers import SlurmProvider

    slurm = settings.slurm
    programs = Path(sys.executable).parent  # Parsl's own are beside Python

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
        # the node must find the same Python and packages, whatever its shell sets up
        worker_init=f"{slurm.setup}\nexport PATH={programs}:$PATH",
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
        run_dir=str(lock.study / "parsl"),
        strategy="simple",
        strategy_period=min(5, slurm.poll_seconds),
        retries=0,
        initialize_logging=False,
    )
    return config, pilots
