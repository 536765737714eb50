"""The history of an engine with failures, checks, commands and workflow runs."""

from __future__ import annotations

from fuseboard_engine.events import (
    CommandDone,
    Event,
    HealthAlert,
    HealthChecked,
    NodeChanged,
    WorkflowFinished,
    WorkflowStarted,
)
from support.console_story import at, story


def lived() -> list[Event]:
    """Return the story's events with checks, commands, and workflow runs in every state."""

    def asked(command: int, verb: str, adapter: str, when: float, ok: bool = True, detail: str = "") -> CommandDone:
        return CommandDone(
            at=at(when), command=command, verb=verb, adapter=adapter, actor="ana@web-1", ok=ok, detail=detail,
            requested_at=at(when - 0.02),
        )  # fmt: skip

    nodes = ("fetch", "clean", "embed", "rank", "store")
    edges = (("fetch", "clean"), ("clean", "embed"), ("clean", "rank"), ("embed", "store"), ("rank", "store"))

    def run_started(run: str, when: float) -> WorkflowStarted:
        return WorkflowStarted(at=at(when), run=run, workflow="nightly", name="Nightly build", nodes=nodes, edges=edges)

    def node(run: str, when: float, name: str, state: str, **fields: object) -> NodeChanged:
        return NodeChanged(at=at(when), run=run, workflow="nightly", node=name, state=state, **fields)  # type: ignore[arg-type]

    reported: list[Event] = [
        HealthChecked(at=at(10), adapter="gpt", status="healthy"),
        HealthChecked(at=at(100), adapter="agno", status="degraded", detail="index 40 s behind"),
        HealthChecked(at=at(120), adapter="prefect", status="unhealthy", detail="no scheduler answers"),
        HealthAlert(at=at(125), adapter="prefect", failures=3, detail="no scheduler answers"),
        asked(1, "force_open", "billing", 20, detail="billing went from closed to forced_open"),
        asked(2, "disable", "ocr", 30, detail="ocr went from closed to disabled"),
        asked(3, "reset", "vision", 124, detail="vision went from open to closed"),
        asked(4, "reset", "nonesuch", 126, ok=False, detail="There is no adapter nonesuch."),
        run_started("nightly-1e", 40),
        *(node("nightly-1e", 41 + place, name, "done", answered="gpt", attempts=1, duration=0.8)
          for place, name in enumerate(nodes)),
        WorkflowFinished(at=at(46), run="nightly-1e", workflow="nightly", state="done", duration=6),
        run_started("nightly-1f", 110),
        node("nightly-1f", 111, "fetch", "done", answered="gpt", attempts=1, duration=0.9),
        node("nightly-1f", 113, "clean", "degraded", answered="template", attempts=3, duration=1.9),
        node("nightly-1f", 114, "embed", "failed", attempts=3, duration=0.6, error="ConnectError: connection refused"),
        node("nightly-1f", 114, "rank", "done", answered="agno", attempts=2, duration=0.5),
        node("nightly-1f", 114, "store", "skipped", error="it needs embed, which failed"),
        WorkflowFinished(at=at(115), run="nightly-1f", workflow="nightly", state="failed", error="embed failed"),
        run_started("nightly-20", 128),
        node("nightly-20", 129, "fetch", "done", answered="gpt", attempts=1, duration=0.7),
        node("nightly-20", 130, "clean", "running"),
    ]  # fmt: skip
    return sorted([*story(), *reported], key=lambda event: event.at)
