"""The past of adapters, as a recording has kept it."""

from __future__ import annotations

from pathlib import Path

from fuseboard_storage.board.rows import AdapterKey
from fuseboard_storage.recording.history import lanes_of, past_of
from fuseboard_storage.recording.recording import Recording
from support.console_story import added, opened, started
from support.replays import recorded

END = 2**63


async def test_any_time_of_a_damaged_file_can_be_asked_for(tmp_path: Path) -> None:
    path, key = recorded(tmp_path / "a.db", [started(), added("gpt"), opened("gpt", 1)]), AdapterKey(1, "gpt")
    async with Recording.open(path) as recording:
        for since, until in ((-END - 10**12, END + 10**12), (END, 2 * END), (-2 * END, -END)):
            past = await past_of(recording, key, since, until)
            lanes = await lanes_of(recording, [key], since, until, 10**12)
            found = [past.changes, lanes.pasts[key].changes]
            assert [[state for _, state in changes] for changes in found] == [["open"] * (until > 0)] * 2
