"""Nodes that are objects, or classes that the workflow makes objects of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fuseboard_engine.adapters.lifecycle import is_adapter_object
from fuseboard_engine.runtime.json_check import why_not_json
from fuseboard_engine.workflow.errors import WorkflowError


class NodeObject:
    """What executes a node when it is an object: its `call`, and those of `initialize`, `health` and `close` it has.

    Args:
        given: an object with a `call` method.
        call: what is called in place of that method.
    """

    def __init__(self, given: Any, call: Callable[[Any], Any]) -> None:
        self.call = call
        for step in ("initialize", "health", "close"):
            if callable(method := getattr(given, step, None)):
                setattr(self, step, method)


def make_object(node: str, kind: type, params: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the object that executes a node, made of its class, and the node's parameters.

    The class gets the parameters that its signature takes. They stay parameters of the node, with `{field}` replaced,
    as far as they are JSON.

    Raises:
        WorkflowError: the class does not take its parameters, or its objects can neither be called nor have `call`.
    """
    taken = dict(params)
    try:
        signature = inspect.signature(kind)
    except (TypeError, ValueError):  # a class written in C without a signature
        signature = None
    if signature is not None and not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        taken = {name: value for name, value in params.items() if name in signature.parameters}
    try:
        made = kind(**taken)
    except Exception as error:
        raise WorkflowError(f"add_node({node!r}): {kind.__name__} could not be made: {error}") from error
    if not is_adapter_object(made) and not callable(made):
        raise WorkflowError(f"add_node({node!r}): an object of {kind.__name__} has no `call` and cannot be called")
    kept = {name: value for name, value in params.items() if name not in taken or why_not_json(value, name) is None}
    return made, kept
