"""Removes secrets from foreign text before it reaches a log, a file or a hook."""

from __future__ import annotations

import re

HIDDEN = "[hidden]"
MAX_LENGTH = 2_000  # characters of a text that are kept

_SECRET_NAMES = (
    r"api[-_]?key|access[-_]?key(?:[-_]?id)?|secret[-_]?key|private[-_]?key|client[-_]?secret|account[-_]?key"
    r"|(?:access|refresh|id|auth|bearer|csrf|session)[-_]?token|token|secret|password|passwd|passphrase|pwd"
    r"|authorization|proxy-authorization|x-api-key|set-cookie|cookie|credentials?|signature|sig|dsn"
)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # a key in PEM armour, even if its end is cut off
    (re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}-----|$)", re.DOTALL), HIDDEN),
    # https://user:password@host
    (re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]{0,30}://)[^\s/@'\"]{1,500}@", re.IGNORECASE), rf"\g<keep>{HIDDEN}@"),
    # Authorization: Bearer abc
    (
        re.compile(r"(?P<keep>\b(?:bearer|basic|digest|negotiate)\s+)[\w\-.~+/=:]{6,}", re.IGNORECASE),
        rf"\g<keep>{HIDDEN}",
    ),
    # password=..., "api_key": "...", ?token=..., however the name is quoted
    (
        re.compile(
            rf"(?P<keep>(?<![a-z0-9])[a-z0-9_-]{{0,40}}?(?:{_SECRET_NAMES})\\?['\"]?\s{{0,3}}(?:=>|[=:])\s{{0,3}})"
            r"(?!\[hidden\]|(?:bearer|basic|digest|negotiate)\s)"
            r"(?:\\?\"[^\"]*\"?|'[^']*'?|[^\s,;&}\]\)\"']+)",
            re.IGNORECASE,
        ),
        rf"\g<keep>{HIDDEN}",
    ),
    # keys with a known prefix, and JSON Web Tokens
    (
        re.compile(
            r"\b(?:sk|pk|rk)[-_][\w-]{10,}|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}"
            r"|\bxox[abeoprs]-[\w-]{8,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAIza[\w-]{30,}|\bhf_\w{16,}"
            r"|\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"
        ),
        HIDDEN,
    ),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def redact(text: str) -> str:
    """Return a text on one line, without passwords, tokens, keys and credentials in URLs.

    Hides too much rather than too little. Control characters are escaped, so that no text can forge a log line or
    control a terminal. At most 2,000 characters are kept.
    """
    if len(text) > MAX_LENGTH:
        text = text[:MAX_LENGTH] + "..."
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
