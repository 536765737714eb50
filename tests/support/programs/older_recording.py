"""An application that runs with the code of any earlier version, and records everything that version can record.

python older_recording.py RECORDING [TEXT ...]

With texts, it records each of them as name, id, error and whatever else holds a text. Without one, it records failures,
an open breaker, answers of a second adapter and a degraded answer, dead letters, workflow runs of each outcome,
commands of operators, keyframes, and one event of each kind that the version knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
from importlib import import_module
from typing import Any, get_args

from msgspec import inspect as types

from fuseboard_engine import Engine, RetryPolicy
from fuseboard_engine.events import AnyEvent, Event

KEYFRAME_EVERY = 60


def value_of(type_: types.Type, text: str) -> Any:
    """Return a value of a field's type that is not its default."""
    match type_:
        case types.StrType():
            return text
        case types.IntType() | types.FloatType():
            return 1
        case types.BoolType():
            return True
        case types.LiteralType():
            return type_.values[0]
        case types.VarTupleType():
            return (value_of(type_.item_type, text),)
        case types.TupleType():
            return tuple(value_of(item, text) for item in type_.item_types)
        case types.DictType():
            return {value_of(type_.key_type, text): value_of(type_.value_type, text)}
        case types.StructType():
            return type_.cls(**{field.name: value_of(field.type, text) for field in type_.fields})
        case types.UnionType():
            return value_of(type_.types[0], text)
        case types.NoneType():
            return None
    return {"any": [1, text]}


def one_of_each_kind(at: int, text: str = "text") -> list[Event]:
    kinds = get_args(AnyEvent) or (AnyEvent,)
    return [
        kind(
            **{field.name: value_of(field.type, text) for field in types.type_info(kind).fields if field.name != "at"},
            at=at,
        )
        for kind in kinds
    ]


def make_keyframes_often() -> None:
    for name in ("keyframe", "writer", "tables.keyframes", "recorder.writer"):
        with contextlib.suppress(ImportError):
            module = import_module(f"fuseboard_storage.{name}")
            for constant in ("SLICE", "EVERY"):
                if hasattr(module, constant):
                    setattr(module, constant, KEYFRAME_EVERY)
            maker = getattr(module, "KeyframeMaker", None)
            if maker is not None and "every" in inspect.signature(maker.__init__).parameters:
                maker.__init__.__defaults__ = (KEYFRAME_EVERY,)


def new_engine() -> Engine:
    options: dict[str, Any] = {"retry": RetryPolicy(max_attempts=2, base_delay=0.001)}
    if any(is_importable(f"fuseboard_storage.{name}") for name in ("dead_letters", "stores.dead_letters")):
        options["dead_letters"] = import_module("fuseboard_engine.dead_letters.policy").DeadLetterPolicy()
    return Engine("checkout", **options)


def is_importable(name: str) -> bool:
    with contextlib.suppress(ImportError):
        import_module(name)
        return True
    return False


async def main(path: str) -> None:
    make_keyframes_often()
    from fuseboard_storage import Recording, record

    engine, broken = new_engine(), False

    async def gpt(task: Any) -> str:
        if broken:
            raise ConnectionError("the upstream refused")
        return "an answer"

    async def claude(task: Any) -> str:
        if broken:
            raise TimeoutError("no answer in time")
        return "another answer"

    engine.add_adapter("gpt", gpt)
    engine.add_adapter("claude", claude)
    async with record(engine, path) as recorder:
        for number in range(40):
            await engine.execute_with_fallback(f"question {number}")
        broken = True
        for number in range(12):
            await engine.execute_with_fallback({"question": number, "user": "ana"})
        broken = False
        await run_workflows(engine, path)
        for event in one_of_each_kind(engine.wall()):
            engine.emit(event)
        await recorder.flushed()
        async with Recording.open(path) as recording:
            for verb, adapter in (("force_open", "gpt"), ("reset", "gpt"), ("reset", "nonesuch")):
                await over(recording, await recording.ask(verb, adapter, actor="ana"))
        broken = True
        for number in range(3):
            await engine.execute_with_fallback(f"last question {number}")
        await asyncio.sleep(1.2)  # a heartbeat, and time for keyframes
    async with record(new_engine(), path):  # a second process of the name
        pass
    async with Recording.open(path) as recording:
        await recording.ask("disable", "claude", actor="ana")  # no engine takes it


async def record_text(path: str, text: str) -> None:
    """Record a text wherever an application or an operator can put one."""
    make_keyframes_often()
    from fuseboard_storage import Recording, record

    engine = new_engine()

    async def fail(task: Any) -> str:
        raise ConnectionError(text)

    engine.add_adapter(text, fail)
    async with record(engine, path) as recorder:
        for _ in range(4):
            await engine.execute_with_fallback({"id": text, "type": text, "prompt": text})
        await run_workflows(engine, path, text)
        for _ in range(3):
            for event in one_of_each_kind(engine.wall(), text):
                engine.emit(event)
        await recorder.flushed()
        async with Recording.open(path) as recording:
            for adapter in (text, f"{text} unknown"):
                await over(recording, await recording.ask("reset", adapter, actor=text))
        await asyncio.sleep(1.2)  # time for keyframes


async def over(recording: Any, command: int) -> None:
    while not (await recording.command(command)).over:
        await asyncio.sleep(0.02)


async def run_workflows(engine: Engine, path: str, text: str = "the index refused") -> None:
    try:
        from fuseboard_engine import Workflow
    except ImportError:
        return
    with contextlib.suppress(ImportError):  # version 3 stores runs only when asked
        if engine.checkpoints is None:
            engine.checkpoints = import_module("fuseboard_storage.checkpoints").FileCheckpoints(path)

    async def fetch(inputs: Any) -> str:
        return "pages"

    async def clean(inputs: Any) -> str:
        if inputs.get("fails") if isinstance(inputs, dict) else False:
            raise ValueError("unreadable")
        return "clean pages"

    async def fails(inputs: Any) -> str:
        raise ConnectionError(text)

    for id, last in (("nightly", clean), ("weekly", fails)):
        workflow = Workflow(id, name=f"The {id} build")
        workflow.add_node("fetch", fetch)
        workflow.add_node("last", last)
        workflow.connect("fetch", "last")
        engine.add_workflow(workflow)
        with contextlib.suppress(Exception):
            await workflow.execute({"pages": 3}, run=f"{id}-{engine.wall()}" if sys.argv[2:] else f"{id}-1")


if __name__ == "__main__":
    for text in sys.argv[2:]:
        asyncio.run(record_text(sys.argv[1], text))
    if not sys.argv[2:]:
        asyncio.run(main(sys.argv[1]))
