"""Who may do what over HTTP: bearer tokens with a name and a role."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

Role = Literal["read", "operate"]
"""`read`: sees everything, error texts too. `operate`: also gives commands."""

ENVIRONMENT: Final[Mapping[str, Role]] = {"FUSEBOARD_TOKEN": "operate", "FUSEBOARD_READ_TOKEN": "read"}
"""The environment variables that hold a token, and its role."""
MIN_LENGTH: Final = 16
"""Characters of a token; a shorter one could be guessed."""
MOST_TOKENS: Final = 1000
_MOST_BYTES: Final = 1_000_000
_NAME: Final = re.compile(r"[\w.@+-]{1,60}", re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")


@dataclass(frozen=True, slots=True)
class Token:
    """A token: `name` stands in the audit for whoever uses it."""

    name: str
    role: Role
    secret: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request; the name is empty without a token."""

    name: str = ""
    role: Role | None = None

    @property
    def operates(self) -> bool:
        """Whether it may give commands."""
        return self.role == "operate"

    @property
    def sees_texts(self) -> bool:
        """Whether it may see the texts of errors and the payloads of tasks, which are foreign and may be private."""
        return self.role is not None


ANYBODY: Final = Caller()
"""A caller without a token."""


class TokenError(Exception):
    """Tokens cannot be used. The text says which, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one API.

    Args:
        tokens: The tokens that are known.
        anybody_reads: Whether requests without a token may read figures and states.
    """

    tokens: tuple[Token, ...]
    anybody_reads: bool = True

    def caller(self, authorization: str) -> Caller | None:
        """Return who sends a request with this `Authorization` header (may be empty); None if its token is unknown.

        The time it takes does not depend on which token, or how much of one, is right.
        """
        if not authorization:
            return ANYBODY
        scheme, _, given = authorization.partition(" ")
        found: Caller | None = None
        for token in self.tokens:
            if secrets.compare_digest(given.strip().encode(), token.secret.encode()):
                found = Caller(token.name, token.role)
        return found if scheme.lower() == "bearer" else None


def new_secret() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(24)


def environment_tokens(environment: Mapping[str, str]) -> list[Token]:
    """Return the tokens in environment variables.

    Raises:
        TokenError: One is too short, or has characters that a header cannot hold.
    """
    return [
        Token(variable.lower().replace("_", "-"), role, _checked(secret, f"The environment variable {variable}"))
        for variable, role in ENVIRONMENT.items()
        if (secret := environment.get(variable, ""))
    ]


def tokens_of_file(path: str | os.PathLike[str]) -> list[Token]:
    """Return the tokens of a file: a line for each, `ROLE NAME TOKEN`; lines that begin with # are left out.

    Raises:
        TokenError: The file cannot be read, others than its owner can read or write it, or a line is wrong.
    """
    name = Path(path).name
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise TokenError(f"The file of tokens {name} cannot be read: {error.strerror or error}.") from error
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise TokenError(f"{name} is not a file. Name a file with a line `ROLE NAME TOKEN` for each token.")
    with os.fdopen(descriptor, "rb") as file:
        if os.name == "posix" and facts.st_mode & 0o077:
            raise TokenError(f"Others can read or change {name}. Run `chmod 600 {name}`, and replace its tokens.")
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise TokenError(f"{name} has more than {_MOST_BYTES:,} bytes; it is not a file of tokens.")
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise TokenError(f"{name} is not text in UTF-8.") from None
    return _distinct([_token(line, f"{name}, line {number}") for number, line in _meant(lines)], name)


def _meant(lines: Iterable[str]) -> Iterable[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip() and line.strip()[0] != "#")


def _token(line: str, where: str) -> Token:
    parts = line.split()
    if len(parts) != 3:
        raise TokenError(f"{where}: a line has three parts, `ROLE NAME TOKEN`; this one has {len(parts)}.")
    role, name, secret = parts
    for known in get_args(Role):
        if role == known:
            if not _NAME.fullmatch(name):
                raise TokenError(f"{where}: a name has up to 60 letters, digits and the signs . _ @ + -.")
            return Token(name, known, _checked(secret, where))
    raise TokenError(f"{where}: the first part is the role, `read` or `operate`.")


def _checked(secret: str, where: str) -> str:
    """Return a token. Errors do not repeat it."""
    if len(secret) < MIN_LENGTH:
        raise TokenError(f"{where}: the token has {len(secret)} characters; it needs at least {MIN_LENGTH}.")
    if not _TOKEN.fullmatch(secret):
        raise TokenError(f"{where}: a token has letters, digits and the signs . _ ~ + / = - only.")
    return secret


def _distinct(tokens: list[Token], name: str) -> list[Token]:
    """Return the tokens of a file; two with the same secret would make the audit name the wrong one."""
    if len({token.secret for token in tokens}) < len(tokens):
        raise TokenError(f"Two lines of {name} have the same token. Give each its own.")
    if len(tokens) > MOST_TOKENS:
        raise TokenError(f"{name} has {len(tokens):,} tokens; at most {MOST_TOKENS:,} are possible.")
    return tokens
