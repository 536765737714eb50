"""Events of every kind for Hypothesis, with texts of any content and length in every place that holds a text."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st
from msgspec import inspect

from fuseboard_engine.events import AnyEvent, Event

KINDS: tuple[type[Event], ...] = get_args(AnyEvent)

LONG_TEXTS = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=3), st.integers(0, 12_000))


def events(texts: st.SearchStrategy[str], kinds: tuple[type[Event], ...] = KINDS) -> st.SearchStrategy[Event]:
    """Return events of these kinds with these texts."""
    return st.one_of([_of_struct(kind, texts) for kind in kinds])


def event_with(kind: type[Event], text: str) -> Event:
    """Return an event that has a text in every place for one, and one item in each of its containers."""
    return kind(**{field.name: _filled(field.type, text) for field in _fields(kind)})


def _fields(struct: type[Any]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _filled(type_: inspect.Type, text: str) -> Any:
    match type_:
        case inspect.StrType():
            return text
        case inspect.IntType() | inspect.FloatType():
            return 1
        case inspect.BoolType():
            return True
        case inspect.LiteralType():
            return type_.values[0]
        case inspect.VarTupleType():
            return (_filled(type_.item_type, text),)
        case inspect.TupleType():
            return tuple(_filled(item, text) for item in type_.item_types)
        case inspect.DictType():
            return {_filled(type_.key_type, text): _filled(type_.value_type, text)}
        case inspect.StructType():
            return type_.cls(**{field.name: _filled(field.type, text) for field in type_.fields})
        case inspect.UnionType():
            return _filled(type_.types[0], text)
        case inspect.AnyType():
            return {"deep": [{"deeper": text}]}
    raise TypeError(f"no value for {type_}")


def _of_struct(struct: type[Any], texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({field.name: _values(field.type, texts) for field in _fields(struct)}).map(
        lambda fields: struct(**fields)
    )


def _values(type_: inspect.Type, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    match type_:
        case inspect.StrType():
            return texts
        case inspect.IntType():
            return st.integers(-(2**63), 2**63 - 1)
        case inspect.FloatType():
            return st.floats(0, 1e6)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.LiteralType():
            return st.sampled_from(type_.values)
        case inspect.VarTupleType():
            return st.lists(_values(type_.item_type, texts), max_size=2).map(tuple)
        case inspect.TupleType():
            return st.tuples(*[_values(item, texts) for item in type_.item_types])
        case inspect.DictType():
            return st.dictionaries(_values(type_.key_type, texts), _values(type_.value_type, texts), max_size=2)
        case inspect.StructType():
            return _of_struct(type_.cls, texts)
        case inspect.UnionType():
            return st.one_of([_values(item, texts) for item in type_.types])
        case inspect.AnyType():
            plain = st.none() | st.booleans() | texts
            return st.recursive(plain, lambda inner: st.lists(inner, max_size=2), max_leaves=3)
    raise TypeError(f"no values for {type_}")
