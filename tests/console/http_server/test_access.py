"""Bearer tokens: where they come from, and what each role may do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_console.http_server.access import (
    ANYBODY,
    Access,
    Caller,
    Token,
    TokenError,
    environment_tokens,
    new_secret,
    tokens_of_file,
)
from support.served_api import WITH_READING, WITH_TOKEN, api, engine_at

SECRET = "0123456789abcdef"
OTHER = "fedcba9876543210"


def token_file(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def test_a_file_has_a_line_for_each_token(tmp_path: Path) -> None:
    content = f"# of the shop\n\noperate ada {SECRET}\n  read bo {OTHER}  \n"
    assert tokens_of_file(token_file(tmp_path / "tokens", content)) == [
        Token("ada", "operate", SECRET),
        Token("bo", "read", OTHER),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"operate {SECRET}\n", "tokens, line 1: a line has three parts"),
        (f"\nadmin ada {SECRET}\n", "tokens, line 2: the first part is the role, `read` or `operate`"),
        ("operate ada short\n", "tokens, line 1: the token has 5 characters; it needs at least 16"),
        (f"operate ad\x1ba {SECRET}\n", "tokens, line 1: a name has up to 60 letters"),
        (f"operate ada {SECRET}ü\n", "tokens, line 1: a token has letters, digits"),
        (f"operate ada {SECRET}\nread bo {SECRET}\n", "Two lines of tokens have the same token"),
        (b"operate ada \xff\xfe0123456789abcdef\n", "tokens is not text in UTF-8"),
        (b"#" * 1_000_001, "more than 1,000,000 bytes"),
    ],
)
def test_a_wrong_line_is_reported_without_the_token(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(TokenError) as raised:
        tokens_of_file(token_file(tmp_path / "tokens", content))
    assert said in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660])
def test_a_file_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(TokenError, match="chmod 600 tokens"):
        tokens_of_file(token_file(tmp_path / "tokens", f"operate ada {SECRET}\n", mode))


def test_what_is_not_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    for name in ("pipe", "folder"):
        with pytest.raises(TokenError, match="not a file"):
            tokens_of_file(tmp_path / name)
    with pytest.raises(TokenError, match="cannot be read: No such file"):
        tokens_of_file(tmp_path / "nowhere")


def test_environment_variables_hold_one_token_for_each_role() -> None:
    found = environment_tokens({"FUSEBOARD_TOKEN": SECRET, "FUSEBOARD_READ_TOKEN": OTHER, "PATH": "/bin"})
    assert found == [Token("fuseboard-token", "operate", SECRET), Token("fuseboard-read-token", "read", OTHER)]
    assert environment_tokens({"FUSEBOARD_TOKEN": ""}) == []
    with pytest.raises(TokenError, match="The environment variable FUSEBOARD_TOKEN: the token has 5 characters"):
        environment_tokens({"FUSEBOARD_TOKEN": "short"})


@given(st.text(max_size=60))
def test_only_a_known_token_is_a_caller_with_a_role(header: str) -> None:
    access = Access((Token("ada", "operate", SECRET),))
    assert access.caller(f"Bearer {SECRET}") == Caller("ada", "operate")
    assert access.caller(f"bearer  {SECRET} ") == Caller("ada", "operate")
    assert access.caller(header) == (ANYBODY if not header else None)


def test_generated_tokens_are_long_and_differ() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100 and min(map(len, made)) >= 32


async def test_a_token_that_may_only_read_gives_no_command(tmp_path: Path) -> None:
    async with engine_at(tmp_path / "shop.db") as engine, api(tmp_path / "shop.db") as client:
        for path in ("/health/adapters/prefect/reset", "/health/reset"):
            answer = await client.post(path, headers=WITH_READING)
            assert (answer.status_code, answer.json()["title"]) == (403, "Token may only read")
        assert engine.breaker("prefect").state == "open"
        assert (await client.post("/health/reset", headers=WITH_TOKEN)).status_code == 200


async def test_beyond_the_loopback_interface_reading_needs_a_token_too(tmp_path: Path) -> None:
    access = Access((Token("bo", "read", SECRET),), anybody_reads=False)
    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db", access=access) as client:
        for path in ("/health/system", "/health/live", "/metrics", "/api/events", "/api/events/stream"):
            assert (await client.get(path)).status_code == 401, path
        assert (await client.get("/health/system", headers={"Authorization": f"Bearer {SECRET}"})).status_code == 200
