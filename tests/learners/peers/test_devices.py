"""Where trainings run: said before anything is computed."""

from pathlib import Path

import pytest

from dosml.errors import InputError
from dosml.learners.peers import devices, flare, nequip
from dosml.learners.peers.environments import Environment


def environment(name: str, **versions: str) -> Environment:
    return Environment(name, Path("nowhere"), "3.11", "", 0, 0.0, versions)


CUDA = environment("nequip", torch="2.13.0+cu130")
CPU = environment("nequip", torch="2.13.0+cpu")
FLARE = environment("flare", numpy="1.26.4")


@pytest.mark.parametrize(
    ("where", "device", "gpus"),
    [
        (CUDA, "auto", [0, 1]),
        (CUDA, "cuda", [0, 1]),
        (CUDA, "cpu", []),
        (CPU, "auto", []),
        (FLARE, "auto", []),
        (FLARE, "cuda", []),  # the device is for all learners of a scan
    ],
)
def test_gpus_are_used_where_torch_can_and_they_are_wanted(monkeypatch, where, device, gpus):
    monkeypatch.setattr(devices, "visible_gpus", lambda: [0, 1])
    assert devices.usable_gpus(device, where) == gpus


def test_a_gpu_that_cannot_be_used_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: [0])
    with pytest.raises(InputError, match="nequip has torch for processors.*--torch-index"):
        devices.usable_gpus("cuda", CPU)
    monkeypatch.setattr(devices, "visible_gpus", list)
    assert devices.usable_gpus("auto", CUDA) == []
    with pytest.raises(InputError, match="no GPU here; leave --device out"):
        devices.usable_gpus("cuda", CUDA)


def test_an_unknown_device_is_refused():
    for adapter in (nequip.ADAPTER, flare.ADAPTER):
        with pytest.raises(InputError, match="device of the learner .* cannot be 'tpu'.*'cuda'"):
            adapter.make_settings({"device": "tpu"})
