"""One GPU for training and the arena: the inference process steps aside while a job trains.

A thread of the app checks every second. Without a GPU it does nothing, because training and arena can run at
the same time. It does not start or stop jobs, and never loads torch.
"""

import threading
from typing import Any

from pipeline.runs.record_file import RunRecord
from pipeline.settings.stages import STAGES


class DeviceSharing:
    """Ends an inference process that holds GPU memory while a job trains, and allows it again afterwards."""

    def __init__(self, jobs: Any, client: Any, poll: float = 1.0):
        self._jobs, self._client, self._poll = jobs, client, poll
        self._aside = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="device-sharing", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Decide who has the device now."""
        record = self._jobs.active()
        training = record is not None and record.status == "running" and _uses_device(record)
        if training and self._client.on_gpu:
            self._client.step_aside(f"{record.stage} {record.precision} uses the GPU")
            self._aside = True
        elif self._aside and not training:
            self._client.come_back()
            self._aside = False

    def close(self) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        while not self._ended.wait(self._poll):
            self.look()


def _uses_device(record: RunRecord) -> bool:
    row = STAGES.get(record.stage)
    return row is None or row.uses_models
