"""Reading a recording does not release the locks of a writer in the same process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from fuseboard_storage import Recording, record
from support.fake_engine import FakeEngine

ANOTHER_PROCESS = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM events'); c.close()"
)


async def test_a_reader_in_the_writers_process_does_not_release_its_locks(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    async with record(FakeEngine(), file) as recorder:
        await recorder.flushed()
        async with Recording.open(file) as recording:
            assert await recording.last_seq() > 0
        # The last connection to close merges the log and deletes it. This process still has the file open.
        subprocess.run([sys.executable, "-c", ANOTHER_PROCESS, str(file)], check=True)
        assert file.with_name("checkout.db-wal").exists()
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
