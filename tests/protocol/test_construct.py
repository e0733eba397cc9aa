from collections.abc import Iterator
from typing import Any

import grpc
import pulumi
import pytest
from pulumi.errors import InputPropertyError
from pulumi.runtime.proto import provider_pb2
from wiring import Client, FakeMonitor, Plugin

from pulumi_training.provider import components as components_module
from pulumi_training.provider import constants, wire
from pulumi_training.provider.wire import UNKNOWN, Secret

TOKEN = "training:local:Shelf"


class Book(pulumi.CustomResource):
    pages: pulumi.Output[int]

    def __init__(self, name: str, pages: pulumi.Input[Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__("training:index:Book", name, {"pages": pages}, opts)


class Shelf(pulumi.ComponentResource):
    def __init__(self, name: str, pages: pulumi.Input[Any], opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(TOKEN, name, None, opts)
        if pages == 0:
            raise InputPropertyError("pages", "must be at least 1")
        if pages == 13:
            raise ZeroDivisionError("a bug")
        self.book = Book(f"{name}-book", pages, pulumi.ResourceOptions(parent=self))
        self.register_outputs({"pages": self.book.pages})

    @classmethod
    def from_construct(cls, name: str, inputs: Any, options: pulumi.ResourceOptions) -> "Shelf":
        return cls(name, inputs["pages"], options)

    def construct_state(self) -> dict[str, Any]:
        return {"pages": self.book.pages}


@pytest.fixture(autouse=True)
def components(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    known = components_module.component_of
    monkeypatch.setattr(
        components_module, "component_of", lambda token: Shelf if token == TOKEN else known(token)
    )
    yield


def construct(client: Client, monitor: FakeMonitor, inputs: Any, **more: Any) -> Any:
    request = provider_pb2.ConstructRequest(
        project="shop",
        stack="dev",
        type=more.pop("type", TOKEN),
        name="top",
        inputs=wire.encode(inputs),
        monitorEndpoint=monitor.address,
        parallel=4,
        accepts_output_values=True,
        **more,
    )
    return client.stub.Construct(request, timeout=30)


def test_a_component_is_declared_with_its_options(plugin: Plugin, monitor: FakeMonitor) -> None:
    timeouts = provider_pb2.ConstructRequest.CustomTimeouts(create="2h")
    answer = construct(
        plugin.client, monitor, {"pages": 3}, protect=True, ignoreChanges=["x"], customTimeouts=timeouts
    )
    assert answer.urn == f"urn:pulumi:dev::shop::{TOKEN}::top"
    component, book = monitor.registered
    assert (component.type, component.protect, list(component.ignoreChanges)) == (TOKEN, True, ["x"])
    assert component.customTimeouts.create == "2h"
    assert (book.parent, wire.decode(book.object)) == (answer.urn, {"pages": 3})
    assert wire.decode(answer.state) == {"pages": 3}
    assert list(answer.stateDependencies["pages"].urns) == [
        "urn:pulumi:dev::shop::training:index:Book::top-book"
    ]


@pytest.mark.parametrize("pages", [UNKNOWN, Secret(5), Secret(UNKNOWN)], ids=repr)
def test_unknown_and_secret_inputs_reach_the_children(
    plugin: Plugin, monitor: FakeMonitor, pages: Any
) -> None:
    # As the engine sends it: an output value, since the handshake accepts outputs.
    is_secret = isinstance(pages, Secret)
    plain = pages.value if isinstance(pages, Secret) else pages
    sent = {constants.SIGNATURE_KEY: constants.OUTPUT, "secret": is_secret}
    if plain is not UNKNOWN:
        sent["value"] = plain
    construct(plugin.client, monitor, {"pages": sent}, dryRun=True)
    assert wire.decode(monitor.registered[1].object) == {"pages": pages}


def test_a_refused_input_is_named(plugin: Plugin, monitor: FakeMonitor) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        construct(plugin.client, monitor, {"pages": 0})
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "pages: must be at least 1"


def test_a_bug_in_a_component_is_one_line(plugin: Plugin, monitor: FakeMonitor) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        construct(plugin.client, monitor, {"pages": 13})
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "ZeroDivisionError: a bug" in caught.value.details()
    assert "Traceback" not in caught.value.details()


def test_a_component_that_does_not_exist_names_the_near_one(plugin: Plugin, monitor: FakeMonitor) -> None:
    with pytest.raises(grpc.RpcError, match="Did you mean training:local:Workspace"):
        construct(plugin.client, monitor, {}, type="training:local:Workspaces")
