"""The arena releases the GPU for training and reloads its models afterwards; without a GPU it keeps them."""

import pytest

from pipeline.arena.device_sharing import DeviceSharing
from pipeline.runs.record_file import RunRecord


class Jobs:
    record = None

    def active(self):
        return self.record


class Client:
    def __init__(self, on_gpu):
        self.on_gpu, self.said = on_gpu, []

    def step_aside(self, reason):
        self.on_gpu = False
        self.said.append(reason)

    def come_back(self):
        self.said.append("back")


@pytest.fixture
def sharing():
    opened = []

    def make(on_gpu):
        jobs, client = Jobs(), Client(on_gpu)
        opened.append(DeviceSharing(jobs, client, poll=3600))
        return opened[-1], jobs, client

    yield make
    for one in opened:
        one.close()


def job(stage="ppo", status="running"):
    return RunRecord(id="run", stage=stage, status=status, precision="int4")


def test_it_releases_the_gpu_once_and_loads_again_once(sharing):
    watch, jobs, client = sharing(on_gpu=True)
    watch.look()
    jobs.record = job()
    watch.look()
    watch.look()
    jobs.record = job(status="done")
    watch.look()
    watch.look()
    assert client.said == ["ppo int4 uses the GPU", "back"]


@pytest.mark.parametrize("on_gpu, stage", [(False, "ppo"), (True, "prepare")])
def test_it_keeps_its_models_where_training_does_not_need_the_device(sharing, on_gpu, stage):
    watch, jobs, client = sharing(on_gpu)
    jobs.record = job(stage)
    watch.look()
    assert client.said == []
