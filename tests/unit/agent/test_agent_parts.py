from __future__ import annotations

import ast
import errno
import json
import math
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pulumi_training.agent as agent_package
from pulumi_training.agent import (
    activity,
    channel,
    daemon_line,
    ending,
    facts,
    memory,
    plainjson,
    ranks_env,
)
from pulumi_training.agent.mask import Masker
from pulumi_training.agent.request import Request

SOURCES = sorted(Path(agent_package.__file__).parent.rglob("*.py"))
BASE = {
    "version": 1, "run_id": "r", "attempt": 1, "node_count": 2, "process_count_per_node": 2, "script": ["x"],
    "cwd": "/c", "folder": "/f", "master_port": 5000,
}  # fmt: skip


def make(**fields: object) -> Request:
    return Request({**BASE, **fields})


# -- the package --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_module_is_python_3_8_and_stands_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    names = sys.stdlib_module_names | {"sitecustomize"}
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            assert {alias.name.split(".")[0] for alias in item.names} <= names
        if isinstance(item, ast.ImportFrom) and not item.level:
            assert str(item.module).split(".")[0] in names
        if isinstance(item, ast.ImportFrom):
            assert item.level <= 1


@pytest.mark.parametrize("words", [["fly"], ["run"], ["run", "--request"], ["rank", "launch.json"]])
def test_a_wrong_command_line_says_what_is_right(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from pulumi_training.agent.__main__ import main

    assert main(words) == 2 and "usage:" in capsys.readouterr().err


# -- environment --------------------------------------------------------------------------------------------------


def test_the_rank_comes_from_whatever_launcher_there_is() -> None:
    assert ranks_env.rank_number({"OMPI_COMM_WORLD_RANK": "3", "TRAINING_RANK": "0"}) == 3
    assert [ranks_env.rank_number({name: "2"}) for name in ranks_env.RANK_VARIABLES] == [2] * 6
    with pytest.raises(ValueError, match="no rank"):
        ranks_env.rank_number({"RANK": "1", "PMI_RANK": "x"})


def test_a_rank_finds_its_place() -> None:
    assert ranks_env.rank_environment(make(master_addr="h"), 3) == {
        "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "NODE_RANK": "1",
        "MASTER_ADDR": "h", "MASTER_PORT": "5000", "TRAINING_METRICS": "/f/metrics/rank-3.jsonl",
    }  # fmt: skip


def test_gpus_go_by_slot() -> None:
    by_rank, by_place = make(gpus=[[0, 1], [2, 3], [4, 5], [6, 7]]), make(gpus=[[0], [1]])
    assert ranks_env.rank_environment(by_rank, 2)["CUDA_VISIBLE_DEVICES"] == "4,5"
    assert ranks_env.rank_environment(by_place, 3)["CUDA_VISIBLE_DEVICES"] == "1"


def test_tensorflow_has_workers_first_and_servers_last() -> None:
    request = make(backend="tensorflow", hosts=["a", "b"], parameter_server_count=1)
    cluster = {"worker": ["a:5001", "a:5002", "b:5003"], "ps": ["b:5004"]}
    found = json.loads(ranks_env.rank_environment(request, 3)["TF_CONFIG"])
    assert found == {"cluster": cluster, "task": {"type": "ps", "index": 0}}
    assert json.loads(ranks_env.tf_config(request, 1))["task"] == {"type": "worker", "index": 1}


def test_the_script_sees_the_users_variables_and_none_of_the_agents() -> None:
    inherited = {
        "TRAINING_AGENT_SECRET": "s",
        "TRAINING_AGENT_TMPDIR": "/mine",
        "TMPDIR": "/short",
        "HOME": "/h",
    }
    request = make(slots_cores=4, environment={"HOME": "/other", "PYTHONPATH": "/p"})
    environment = ranks_env.script_environment(request, 0, inherited)
    assert environment["TMPDIR"] == "/mine" and environment["HOME"] == "/other"
    assert environment["OMP_NUM_THREADS"] == "4" and environment["PYTHONPATH"].endswith(":/p")
    assert "TRAINING_AGENT_SECRET" not in environment
    own = ranks_env.script_environment(make(slots_cores=4, environment={"OMP_NUM_THREADS": "1"}), 0, {})
    assert own["OMP_NUM_THREADS"] == "1"


# -- masking ------------------------------------------------------------------------------------------------------


def masked(secrets: list[str], pieces: list[bytes]) -> bytes:
    masker = Masker(secrets)
    return b"".join(masker.feed(piece) for piece in pieces) + masker.finish()


@given(
    st.lists(st.text("ab", min_size=4, max_size=8), min_size=1, max_size=3),
    st.lists(st.text("abc", max_size=12), max_size=8),
)
def test_no_secret_shows_through_however_the_stream_is_cut(secrets: list[str], pieces: list[str]) -> None:
    cut = masked(secrets, [piece.encode() for piece in pieces])
    assert cut == masked(secrets, ["".join(pieces).encode()])
    assert not any(secret.encode() in cut.replace(b"[secret]", b"|") for secret in secrets)


def test_short_values_inside_of_words_and_bytes_pass() -> None:
    assert masked(["abc"], [b"abcd\xff\x00"]) == b"abcd\xff\x00"
    assert masked([], [b"x", b"y"]) == b"xy"


def test_what_is_held_back_stays_small() -> None:
    masker = Masker(["s" * 100])
    for _ in range(100):
        masker.feed(b"s" * 99 + b"x" * 1000 + b"s" * 60)
        assert len(masker._held) <= 200


# -- JSON, proofs, facts --------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_plain_json_is_json(value: object) -> None:
    if not (isinstance(value, float) and math.isinf(value)):
        written = json.dumps(value, indent=1)
        assert plainjson.loads(f" {written}\n") == json.loads(written)
        text = plainjson.dumps(value).replace("-inf", "-Infinity").replace("inf", "Infinity")
        if "nfinity" not in text:
            assert json.loads(text) == value


@pytest.mark.parametrize("text", ["", "{", "{} {}", "[1,]", "nope", '{"a": }'])
def test_plain_json_refuses_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError):
        plainjson.loads(text)


@given(
    st.text(min_size=1, max_size=100),
    st.binary(max_size=40).filter(lambda nonce: b"\n" not in nonce),
    st.text(),
)
def test_proofs_are_hmac_sha256(secret: str, nonce: bytes, word: str) -> None:
    import hmac

    line = channel.prove(secret, nonce, {"word": word})
    envelope = json.loads(line)
    expected = hmac.new(secret.encode(), nonce + b"\n" + envelope["body"].encode(), "sha256").hexdigest()
    assert envelope["proof"] == expected
    assert channel.check_proof(secret, nonce, line) == {"word": word}
    with pytest.raises(channel.ChannelClosed):
        channel.check_proof(secret + "x", nonce, line)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"\xff", b'{"body": 1, "proof": null}', b"[" * 100_000])
def test_what_is_no_proof_is_refused(line: bytes) -> None:
    with pytest.raises(channel.ChannelClosed):
        channel.check_proof("secret", b"nonce", line)


def test_facts_are_replaced_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "0.json")
    assert facts.read_json_or_empty(path) == {}
    facts.write_json(path, {"rank": 0, "exception": "\u00fc\ud800"})
    facts.write_json(path, {"rank": 1}, is_final=True)
    assert facts.read_json(path) == {"rank": 1} and os.listdir(tmp_path) == ["0.json"]
    assert facts.read_tail(path, 3) == b" 1}" and facts.read_tail(path + "x", 3) == b""


def test_last_words_take_the_room_kept_for_them_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, path = tmp_path / facts.ROOM, str(tmp_path / "ranks" / "0.json")
    room.parent.mkdir()
    (tmp_path / "ranks").mkdir()
    room.write_bytes(bytes(4096))
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if room.exists():
            raise OSError(errno.ENOSPC, "no space left on device")
        return write(fd, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no space"):
        facts.write_json(path, {"rank": 0})
    assert room.exists(), "what is not the last word may be lost"
    facts.write_json(path, {"rank": 1}, is_final=True)
    assert facts.read_json(path) == {"rank": 1} and os.listdir(tmp_path / "ranks") == ["0.json"]

    def broken(fd: int, data: bytes) -> int:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "write", broken)
    with pytest.raises(OSError, match="input/output"):
        facts.write_json(path, {"rank": 2}, is_final=True)


BEGIN = "Traceback (most recent call last):"

# -- endings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{BEGIN}\n  File x\n    y\nValueError: bad\nthing\n[host] noise\n", "ValueError: bad"),
        (f"{BEGIN}\n  a\nKeyError: 1\n\nDuring\n\n{BEGIN}\n b\nx.E: 2", "x.E: 2"),
        ('  File "t.py", line 1\n    if\n      ^\nSyntaxError: invalid syntax\n', "SyntaxError: invalid syntax"),
        ("KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("error: it failed\nall is well\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_exception_line_is_found(text: str, line: str | None) -> None:
    assert ending.find_exception(text) == line


def test_signals_have_names() -> None:
    assert ending.signal_name(9) == "SIGKILL" and ending.signal_name(99) == "SIG99"


def test_a_live_process_was_not_out_of_memory() -> None:
    assert memory.was_out_of_memory(os.getpid(), memory.oom_kills()) in (False, None)


def test_any_write_is_a_sign_of_life(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    assert activity.newest_write((str(tmp_path / "outputs"), str(tmp_path / "none"))) == 0.0
    written = tmp_path / "outputs" / "deep" / "model"
    written.parent.mkdir()
    written.touch()
    os.utime(written, (2e9, 2e9))
    assert activity.newest_write((str(tmp_path / "outputs"),)) == 2e9


# -- the daemon's line ----------------------------------------------------------------------------------------------

PRRTE = (
    "PRTE_PREFIX=/v;export PRTE_PREFIX;LD_LIBRARY_PATH=/v/lib:$LD_LIBRARY_PATH;export LD_LIBRARY_PATH;/v/bin/prted "
    '--prtemca ess "env" --prtemca prte_hnp_uri "prterun-vm@0.0;tcp://192.0.2.2:58777:64" --tree-spawn'
)


def test_open_mpis_line_is_read_without_a_shell() -> None:
    argv, variables = daemon_line.read_daemon_line(PRRTE, {"LD_LIBRARY_PATH": "/old"})
    assert variables == {"PRTE_PREFIX": "/v", "LD_LIBRARY_PATH": "/v/lib:/old"}
    assert argv == [
        "/v/bin/prted", "--prtemca", "ess", "env", "--prtemca", "prte_hnp_uri",
        "prterun-vm@0.0;tcp://192.0.2.2:58777:64", "--tree-spawn",
    ]  # fmt: skip


def test_mpichs_line_is_read() -> None:
    argv, variables = daemon_line.read_daemon_line(
        '"/m/bin/hydra_pmi_proxy" --control-port vm:1 --proxy-id 0', {}
    )
    assert argv[0] == "/m/bin/hydra_pmi_proxy" and variables == {}


@pytest.mark.parametrize(
    "line",
    ["", "true", "prted; true", "prted | cat", "prted > /x", "(prted)", "X=1 prted", "LD_PRELOAD=/x;prted", "prted 'x"],
)  # fmt: skip
def test_anything_else_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        daemon_line.read_daemon_line(line, {})
