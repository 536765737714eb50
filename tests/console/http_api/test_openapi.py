"""The API does what its OpenAPI document says, whatever it is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fuseboard_console.http_api.app import make_app
from fuseboard_console.http_server.server import Server
from support.served_api import ACCESS, NO_LIMITS, WITH_TOKEN
from support.texts_everywhere import record_texts
from support.waiting import PATIENCE, until

HOSTILE = "\x1b[31m<b>ü\u202e\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The API of a recording with hostile texts in every place, on a socket; its app and its address."""
    file = record_texts(tmp_path_factory.mktemp("served") / "shop.db", (HOSTILE, "agno"))
    app = make_app(file, ACCESS, limits=NO_LIMITS, expires_in=0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(app, app.state.streams.close)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            until(lambda: server.started)
            yield app, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def document(served: Any) -> Any:
    """The document of the API, without the stream, which does not end."""
    app, address = served
    found = app.openapi()
    ending = {path: methods for path, methods in found["paths"].items() if path != "/api/events/stream"}
    schema = schemathesis.openapi.from_dict({**found, "paths": ending})
    schema.config.update(base_url=address)
    return schema


paths = schemathesis.pytest.from_fixture("document")


def no_internal_error(context: object, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """The API has no error of its own; 503 says that the application is not ready."""
    assert response.status_code != 500, response.text


@paths.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_document_says(case: schemathesis.Case) -> None:
    case.call_and_validate(
        headers=WITH_TOKEN,
        checks=[no_internal_error, status_code_conformance, content_type_conformance, response_schema_conformance],
    )


def test_the_document_is_of_openapi_3_1_and_names_every_path(served: Any) -> None:
    app, _ = served
    document = app.openapi()
    assert document["openapi"].startswith("3.1")
    for path in (
        "/health/system", "/health/adapters", "/health/adapters/{name}", "/health/adapters/{name}/reset",
        "/health/adapters/{name}/stats", "/health/adapters/{name}/history", "/health/ready",
        "/api/circuit-breaker/health", "/api/circuit-breaker/failures", "/api/commands", "/api/events/stream",
    ):  # fmt: skip
        assert path in document["paths"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], path
            assert operation["security"][0] == ({"token": []} if method == "post" else {}), path
