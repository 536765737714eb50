"""Removes secrets from foreign text before it becomes an event, a line of the log, a file or an argument of a hook."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

HIDDEN: Final = "[hidden]"
MAX_BYTES: Final = 8_000
"""The longest text that an event keeps, in bytes of UTF-8."""

MAX_LENGTH: Final = 2_000
"""The longest text that a log line keeps, in characters."""

_MARGIN = 1_000  # characters kept behind a limit while secrets are sought: one that is cut in two is still recognised

_SECRET_NAMES = (
    r"api[-_ ]?key|access[-_]?key(?:[-_]?id)?|secret[-_]?key|private[-_]?key|client[-_]?secret|account[-_]?key"
    r"|subscription[-_]?key|token|secret|password|passwd|passphrase|pwd|authorization|credentials?|signature|sig|dsn"
)
_SCHEMES = "bearer|basic|digest|negotiate"

# These are matched against the text in lower case of ASCII: without IGNORECASE the engine skips quickly to candidates.
_NAMED = re.compile(
    rf"(?P<keep>(?:{_SECRET_NAMES})(?:\s(?:provided|given|used|is|was))?\\?['\"]?\s{{0,3}}(?:=>|[=:])\s{{0,3}})"
    rf"(?!\[hidden\]|(?:{_SCHEMES})\s)"
    r"(?:b?\\?\"[^\"]*\"?|b?'[^']*'?|[^\s,;&}\]\)\"']+)"
)
_COOKIE = re.compile(r"(?P<keep>cookie\\?['\"]?\s{0,3}[=:]\s{0,3}\\?['\"]?)[^\r\n\"']+")
_AUTHORIZATION = re.compile(
    r"(?P<keep>authorization\\?['\"]?\s{0,3}(?:=>|[=:])\s{0,3}\\?['\"]?(?:[\w-]{1,40}\s+)?)(?!(?:[\w-]{1,40}\s+)?\[hidden\])[^\s,;\"'}]+"
)
_SCHEME = re.compile(rf"(?P<keep>\b(?:{_SCHEMES})\s{{1,3}})[\w\-.~+/=:]{{6,}}")

# A key in PEM armour, even if its end is cut off.
_PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}-----|$)", re.DOTALL)
# https://user:password@host; a password may itself hold an @ or a slash. host:80/a@b is a port and a path.
_URL = re.compile(
    r"(?P<keep>\b[A-Za-z][A-Za-z0-9+.-]{0,30}://)(?:[^\s/'\"]{1,500}@|[^\s/:@'\"]{0,200}:(?!\d{1,5}[/?#])[^\s'\"]{1,500}@)"
)
_KEYS = re.compile(
    r"\b(?:sk|pk|rk)[-_][\w-]{6,}|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bxox[abeoprs]-[\w-]{8,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAIza[\w-]{30,}|\bya29\.[\w-]{10,}|\bhf_\w{16,}|\bgsk_\w{16,}|\bxai-\w{16,}"
    r"|\bpplx-\w{16,}|\bnvapi-[\w-]{16,}|\br8_\w{16,}|\bnpm_\w{16,}|\bpypi-[\w-]{16,}|\bSG\.[\w-]{16,}\.[\w-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"
)
_KEY_HINTS = re.compile(
    r"[spr]k[-_]|gh[pousr]_|github_pat_|glpat-|xox|AKIA|ASIA|AIza|ya29\.|hf_|gsk_|xai-|pplx-|nvapi-|r8_|npm_|pypi-"
    r"|SG\.|eyJ|-----BEGIN|://"
)
_NAME_HINTS = re.compile(
    r"key|token|secret|passw|passph|pwd|authori|cookie|credential|sig|dsn|bearer|basic|digest|negoti"
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}  # unlike `lower`, never changes a length

_CLEAN_TEXTS = 1_000
_CLEAN_LENGTH = 300
_clean: set[str] = set()
"""Short texts found to hold nothing to hide or cut. Failures repeat themselves, and a look into a set is quick."""


def safe_error_text(text: str) -> str:
    """Return a foreign text as an event may hold it: without secrets and half characters, in at most 8,000 bytes.

    A shortened text ends with a note. Line breaks and control characters stay; whatever shows the text escapes
    them.
    """
    if text in _clean:
        return text
    safe = text
    if len(text) > MAX_BYTES + _MARGIN:
        safe = safe[: MAX_BYTES + _MARGIN]
    safe = hide_secrets(safe)
    if not safe.isascii():
        safe = _SURROGATE.sub(_escaped, safe)
    if len(text) > MAX_BYTES or len(safe) * 4 > MAX_BYTES:
        safe = cut(safe, len(text))
    if safe == text and len(text) <= _CLEAN_LENGTH:
        if len(_clean) >= _CLEAN_TEXTS:
            _clean.clear()
        _clean.add(text)
    return safe


def cut(text: str, length: int | None = None, limit: int = MAX_BYTES) -> str:
    """Return a text in at most `limit` bytes of UTF-8; a shortened text ends with a note.

    Args:
        text: the text.
        length: its characters before it was shortened, if that was done already.
        limit: in bytes.
    """
    length = len(text) if length is None else length
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit and length <= len(text):
        return text
    mark = f"… [cut; {length:,} characters in all]"
    kept = data[: max(0, limit - len(mark.encode()))].decode("utf-8", "ignore")
    return kept + mark


def hide_secrets(text: str) -> str:
    """Return a text without passwords, tokens, keys, and credentials in URLs. Hides too much rather than too little."""
    if _KEY_HINTS.search(text) is not None:
        if "-----BEGIN" in text:
            text = _PEM.sub(HIDDEN, text)
        if "://" in text and "@" in text:
            text = _URL.sub(rf"\g<keep>{HIDDEN}@", text)
        text = _KEYS.sub(HIDDEN, text)
    lower = text.lower() if text.isascii() else text.translate(_ASCII_LOWER)
    if _NAME_HINTS.search(lower) is None:
        return text
    for pattern in (_COOKIE, _AUTHORIZATION, _SCHEME, _NAMED):
        if pattern.search(lower) is not None:
            text, lower = _hide(pattern, text, lower)
    return text


def _hide(pattern: re.Pattern[str], text: str, lower: str) -> tuple[str, str]:
    """Return a text and its lower case with what `pattern` finds in the lower case hidden, except its group `keep`."""
    parts: list[str] = []
    lower_parts: list[str] = []
    position = 0
    for found in pattern.finditer(lower):
        parts += (text[position : found.end("keep")], HIDDEN)
        lower_parts += (lower[position : found.end("keep")], HIDDEN)
        position = found.end()
    return "".join((*parts, text[position:])), "".join((*lower_parts, lower[position:]))


def redact(text: str) -> str:
    """Return a text on one line, without secrets.

    Control characters are escaped, so that no text can forge a log line or control a terminal. At most 2,000 characters
    are kept.
    """
    if len(text) > MAX_LENGTH:
        text = hide_secrets(text[: MAX_LENGTH + _MARGIN])
        text = text[:MAX_LENGTH] + "..." if len(text) > MAX_LENGTH else text
    else:
        text = hide_secrets(text)
    return escape_controls(text)


def hide_secrets_in(value: Any, name: str = "") -> Any:
    """Return a value of JSON types with its secrets hidden: those in texts, and values named `api_key` and the like."""
    if name and is_secret_name(name) and value is not None:
        return HIDDEN
    if isinstance(value, dict):
        return {hide_secrets(str(key)): hide_secrets_in(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [hide_secrets_in(item) for item in value]
    return hide_secrets(value) if isinstance(value, str) else value


@lru_cache(maxsize=1_024)
def is_secret_name(name: str) -> bool:
    """Return whether the value of a field with this name is a secret, as that of `api_key` is."""
    return len(name) < MAX_LENGTH and hide_secrets(f"{name}=x") != f"{name}=x"


def escape_controls(text: str) -> str:
    """Return a text on one line, with control characters and half characters escaped."""
    return text if text.isascii() and text.isprintable() else _CONTROL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
