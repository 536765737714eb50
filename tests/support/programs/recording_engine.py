"""An application that records tasks in its own process, and prints the number of every 50th once it is on disk."""

from __future__ import annotations

import sys

from fuseboard_storage.recorder.recorder import record
from support.fake_engine import FakeEngine, answered


def main(path: str, name: str, count: int) -> None:
    engine = FakeEngine(name)
    with record(engine, path) as recorder:
        for number in range(count):
            engine.emit(answered(f"{name}.{number}"))
            if number % 50 == 0:
                recorder.flush(30.0)
                print(number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
