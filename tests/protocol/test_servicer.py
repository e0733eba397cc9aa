import time
from pathlib import Path

import grpc
import pytest
import toy
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from wiring import URN, Client, FakeEngine, Plugin, details, running

from pulumi_training.provider import wire
from pulumi_training.provider.wire import UNKNOWN, Secret
from pulumi_training.version import __version__


def test_handshake_and_configure_promise_the_same(plugin: Plugin) -> None:
    shaken = plugin.client.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    assert (shaken.accept_secrets, shaken.accept_resources, shaken.accept_outputs) == (True, True, True)
    configured = plugin.client.stub.Configure(
        provider_pb2.ConfigureRequest(args=wire.encode({"store": "s3://b"}))
    )
    assert configured.acceptSecrets and configured.acceptResources and configured.acceptOutputs
    assert plugin.servicer.log.address == "127.0.0.1:1"
    plugin.client.check({})
    assert plugin.toy.config is not None and plugin.toy.config.store == "s3://b"


def test_the_store_may_come_as_a_variable(plugin: Plugin) -> None:
    plugin.client.check({})
    plugin.client.stub.Configure(provider_pb2.ConfigureRequest(variables={"training:config:store": "./runs"}))
    assert plugin.toy.config is not None and plugin.toy.config.store == "./runs"


def test_config_is_checked_and_never_replaces_the_provider(plugin: Plugin) -> None:
    check = plugin.client.stub.CheckConfig
    assert not check(provider_pb2.CheckRequest(news=wire.encode({"store": "x", "epochs": "3"}))).failures
    (failure,) = check(provider_pb2.CheckRequest(news=wire.encode({"store": ""}))).failures
    assert failure.reason.startswith("store: ") and not failure.property
    request = provider_pb2.DiffRequest(
        old_inputs=wire.encode({"store": "a"}), news=wire.encode({"store": "b"})
    )
    diff = plugin.client.stub.DiffConfig(request)
    assert (diff.changes, list(diff.diffs), list(diff.replaces)) == (diff.DIFF_SOME, ["store"], [])


def test_version_and_schema(plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = provider_pb2.google_dot_protobuf_dot_empty__pb2.Empty()
    assert plugin.client.stub.GetPluginInfo(empty).version == __version__
    monkeypatch.setattr("pulumi_training.provider.plugin.package_files.files", lambda _: tmp_path)
    with pytest.raises(grpc.RpcError) as caught:
        plugin.client.stub.GetSchema(provider_pb2.GetSchemaRequest())
    assert "schema.json is missing" in caught.value.details()
    (tmp_path / "schema.json").write_text('{"name": "training"}')
    assert plugin.client.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema == '{"name": "training"}'


def test_check_sees_unknowns_and_keeps_secrets(plugin: Plugin) -> None:
    answer = plugin.client.check({"a": UNKNOWN, "p": Secret(UNKNOWN), "q": Secret("hush"), "n": 2})
    call = plugin.toy.calls[0]
    assert call.inputs == {"a": UNKNOWN, "p": Secret(UNKNOWN), "q": Secret("hush"), "n": 2}
    assert call.old_inputs is None
    assert (call.name, call.type, call.project, call.stack) == ("fit", toy.TOKEN, "shop", "dev")
    assert wire.decode(answer.inputs) == {**call.inputs, "checked": False}


def test_check_answers_every_problem_with_its_path_and_no_secret(plugin: Plugin) -> None:
    answer = plugin.client.check({"bad": Secret("hushhush")})
    assert [(f.property, f.reason) for f in answer.failures] == [("", "a.b[1]: [secret] is bad")]
    answer = plugin.client.check({"do": "raise in check", "token": Secret("hushhush")})
    assert [(f.property, f.reason) for f in answer.failures] == [
        ("", "nodeCount: must be at least 1"),
        ("", "do: not ('[secret]',)"),
    ]


def test_diff_is_detailed_and_compares_inputs(plugin: Plugin) -> None:
    request = provider_pb2.DiffRequest(
        urn=URN,
        id="toy-1",
        olds=wire.encode({"soft": 1, "output": "x"}),
        old_inputs=wire.encode({"soft": 1, "gone": 1, "same": 1}),
        news=wire.encode({"soft": UNKNOWN, "hard": 2, "same": 1}),
    )
    diff = plugin.client.stub.Diff(request)
    kinds = {path: (change.kind, change.inputDiff) for path, change in diff.detailedDiff.items()}
    kind = provider_pb2.PropertyDiff
    assert kinds == {
        "gone": (kind.DELETE, True),
        "hard": (kind.ADD_REPLACE, True),
        "soft": (kind.UPDATE, True),
    }
    assert diff.hasDetailedDiff and diff.changes == diff.DIFF_SOME
    assert (list(diff.replaces), sorted(diff.diffs)) == (["hard"], ["gone", "hard", "soft"])


def test_no_change_is_said_so(plugin: Plugin) -> None:
    same = wire.encode({"soft": 1})
    diff = plugin.client.stub.Diff(provider_pb2.DiffRequest(urn=URN, olds=same, old_inputs=same, news=same))
    assert diff.changes == diff.DIFF_NONE and not diff.detailedDiff


def test_create_in_preview_may_have_no_id(plugin: Plugin, engine: FakeEngine) -> None:
    answer = plugin.client.create({"a": UNKNOWN}, preview=True, timeout=90)
    assert (answer.id, wire.decode(answer.properties)) == ("", {"known": 1})
    assert (plugin.toy.calls[0].preview, plugin.toy.calls[0].timeout) == (True, 90)
    assert engine.lines(ephemeral=False) == ["previewed"]


def test_create_update_and_delete(plugin: Plugin) -> None:
    answer = plugin.client.create({"p": Secret("hush")})
    assert answer.id == "toy-1"
    assert wire.decode(answer.properties)["p"] == Secret("hush")
    request = provider_pb2.UpdateRequest(
        urn=URN,
        id="toy-1",
        olds=wire.encode({"o": 1}),
        old_inputs=wire.encode({"i": 1}),
        news=wire.encode({"i": 2}),
    )
    assert wire.decode(plugin.client.stub.Update(request).properties)["i"] == 2
    update = plugin.toy.calls[-1]
    assert (update.id, update.old_inputs, update.old_outputs, update.inputs) == (
        "toy-1",
        {"i": 1},
        {"o": 1},
        {"i": 2},
    )
    assert update.timeout is None
    plugin.client.stub.Delete(
        provider_pb2.DeleteRequest(urn=URN, id="toy-1", properties=wire.encode({"o": 1}), timeout=5)
    )
    assert (plugin.toy.calls[-1].outputs, plugin.toy.calls[-1].timeout) == ({"o": 1}, 5)


def test_read_imports_refreshes_and_finds_nothing(plugin: Plugin) -> None:
    read = plugin.client.stub.Read
    imported = read(provider_pb2.ReadRequest(urn=URN, id="s3://b#toy-1"))
    assert (imported.id, wire.decode(imported.inputs)) == ("toy-1", {"do": "import"})
    gone = wire.encode({"do": "vanish"})
    assert read(provider_pb2.ReadRequest(urn=URN, id="toy-1", inputs=gone, properties=gone)).id == ""


@pytest.mark.parametrize("size", [0, 200_000], ids=["small", "larger than metadata usually is"])
def test_a_failed_run_keeps_its_state(plugin: Plugin, size: int) -> None:
    inputs = {"do": "fail init", "size": size, "token": Secret("hushhush")}
    request = provider_pb2.ReadRequest(
        urn=URN, id="toy-1", inputs=wire.encode(inputs), properties=wire.encode(inputs)
    )
    for call in (lambda: plugin.client.create(inputs), lambda: plugin.client.stub.Read(request)):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        failed = details(caught.value, provider_pb2.ErrorResourceInitFailed())
        assert failed.id == "toy-1"
        assert list(failed.reasons) == ["rank 3 failed", "token ['[secret]']"]
        assert wire.decode(failed.inputs) == inputs
        outputs = wire.decode(failed.properties)
        assert (outputs["token"], len(outputs["tail"])) == (Secret("hushhush"), size)


@pytest.mark.parametrize(
    ("do", "code", "words"),
    [
        ("fail now", grpc.StatusCode.FAILED_PRECONDITION, "no such package ['[secret]']\nlast line"),
        ("fail for a while", grpc.StatusCode.UNAVAILABLE, "try again in 7 s"),
        ("spec", grpc.StatusCode.INVALID_ARGUMENT, "sourceDirectory: does not exist"),
        ("bug", grpc.StatusCode.FAILED_PRECONDITION, "KeyError: "),
    ],
)
def test_failures_are_clean(plugin: Plugin, do: str, code: grpc.StatusCode, words: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        plugin.client.create({"do": do, "token": Secret("hushhush")})
    assert caught.value.code() is code
    assert words in caught.value.details()
    assert "Traceback" not in caught.value.details() and "hushhush" not in caught.value.details()


def test_a_bug_leaves_its_traceback_in_the_file_it_names(plugin: Plugin, log_folder: Path) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        plugin.client.create({"do": "bug", "token": Secret("hushhush")})
    file = Path(caught.value.details().split("The traceback is in ")[1].rstrip("."))
    assert log_folder in file.parents
    assert "Traceback" in file.read_text() and "hushhush" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_property_errors_travel_as_words_beside_which_the_engine_prints_no_value(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        plugin.client.create({"do": "spec"})
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "sourceDirectory: does not exist"
    assert not [key for key, _ in caught.value.trailing_metadata() if key.startswith("grpc-status-details")]


def test_an_unknown_type_names_the_near_one(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError, match="Did you mean training:index:Toy"):
        plugin.client.check({}, type="training:index:Tory")


def test_functions_and_methods_are_refused_cleanly(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError, match="training:index:f is not a function"):
        plugin.client.stub.Invoke(provider_pb2.InvokeRequest(tok="training:index:f"))


def test_a_failed_load_of_the_handlers_is_told_and_tried_again(engine: FakeEngine) -> None:
    attempts: list[int] = []

    def load() -> dict[str, toy.Toy]:
        attempts.append(1)
        if len(attempts) == 1:
            raise ImportError("no module named rattler")
        return {toy.TOKEN: toy.Toy()}

    with running(load, None) as (_, port):
        client = Client(port)
        with pytest.raises(grpc.RpcError, match="no module named rattler"):
            client.check({})
        assert not client.check({}).failures
        client.channel.close()


def test_cancel_reaches_a_running_create(plugin: Plugin) -> None:
    create = plugin.client.create_later({"do": "wait for cancel"})
    assert plugin.toy.started.wait(10)
    plugin.client.cancel()
    failed = details(create.exception(timeout=5), provider_pb2.ErrorResourceInitFailed())
    assert (failed.id, wire.decode(failed.properties)) == ("toy-1", {"detached": False})
    assert plugin.toy.closings == 0
    plugin.client.cancel()
    assert plugin.toy.closings == 1


def test_cancel_while_nothing_runs_is_harmless(plugin: Plugin) -> None:
    plugin.client.check({})
    plugin.client.cancel()
    assert plugin.toy.closings == 1
    assert plugin.client.create({}).id == "toy-1"
    assert not plugin.toy.calls[-1].cancelled.is_set()


def test_forty_creates_do_not_delay_a_check(plugin: Plugin) -> None:
    plugin.client.check({})
    started = time.monotonic()
    creates = [plugin.client.create_later({"do": "block", "seconds": 3}) for _ in range(40)]
    assert plugin.toy.started.wait(10)
    slowest = 0.0
    while time.monotonic() - started < 2:
        before = time.monotonic()
        plugin.client.check({"n": 1})
        slowest = max(slowest, time.monotonic() - before)
        time.sleep(0.02)
    assert {create.result().id for create in creates} == {"toy-1"}
    assert time.monotonic() - started < 30
    assert slowest < 2, "a check that waits for a thread of theirs takes longer"


def test_progress_is_throttled_masked_and_complete(plugin: Plugin, engine: FakeEngine) -> None:
    lines = [f"epoch {n} \x1b[31mhushhush\x1b[0m\nx" for n in range(15)]
    plugin.client.create({"lines": lines, "pause": 0.1, "warn": "slow disk", "token": Secret("hushhush")})
    shown = engine.lines()
    assert shown[0] == "epoch 0 [secret] x" and shown[-1] == "epoch 14 [secret] x"
    assert len(shown) <= 3
    (warning,) = [request for _, request in engine.logged if not request.ephemeral]
    assert (warning.message, warning.severity, warning.urn) == ("slow disk", 2, URN)


def test_an_engine_that_is_gone_does_not_fail_the_operation(plugin: Plugin, engine: FakeEngine) -> None:
    engine.stop()
    assert plugin.client.create({"lines": ["a", "b"], "warn": "w"}).id == "toy-1"


def test_attach_moves_the_log_to_another_engine(plugin: Plugin) -> None:
    other = FakeEngine()
    try:
        plugin.client.stub.Attach(plugin_pb2.PluginAttach(address=other.address))
        plugin.client.create({"lines": ["here"]})
        assert other.lines() == ["here"]
    finally:
        other.stop()
