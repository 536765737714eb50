"""`off` as a substitute for null, which TOML lacks."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel


def off_to_null(value: Any, kind: Any) -> Any:
    """Return a document's value with null for `off` (or false, as YAML reads it) wherever null is allowed.

    Args:
        value: plain data of the document.
        kind: the type of the field, or the model.
    """
    if get_origin(kind) is Annotated:
        return off_to_null(value, get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        kinds = get_args(kind)
        if NoneType in kinds and (value == "off" or (value is False and bool not in kinds)):
            return None
        for option in kinds:
            value = off_to_null(value, option)
        return value
    if not isinstance(value, Mapping):
        return value
    if get_origin(kind) is dict:
        inner = get_args(kind)[1]
        return {key: off_to_null(item, inner) for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = kind.model_fields
        return {k: off_to_null(item, fields[k].annotation) if k in fields else item for k, item in value.items()}
    return value
