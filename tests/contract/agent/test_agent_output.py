"""Bytes go through as they are: arguments to the script, its output to the log."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

Make = Callable[..., Any]
AWKWARD = [
    "",
    " ",
    "a \"quoted\" 'word'",
    "$HOME $(id) `id`",
    "two\nlines",
    "\u00fc\u4f60\U0001f600",
    "\\n\\",
]
AWKWARD += ["--flag=", "*", ";|&"]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "en_US.ISO-8859-1"])
def test_arguments_reach_the_script_byte_for_byte(launch: Make, locale: str) -> None:
    code = "import os, sys, json\nprint(json.dumps([os.fsencode(a).hex() for a in sys.argv[1:]]))"
    run = launch(code, arguments=AWKWARD, environment={"LC_ALL": locale}, user={"PYTHONUTF8": "1"}).run()
    for rank in range(4):
        assert json.loads(run.log(rank)) == [word.encode("utf-8").hex() for word in AWKWARD]


def test_environment_values_reach_the_script_byte_for_byte(launch: Make) -> None:
    user = {f"AWKWARD_{number}": word for number, word in enumerate(AWKWARD)}
    code = "import os, json\nprint(json.dumps([os.environb[b'AWKWARD_%d' % i].hex() for i in range(10)]))"
    run = launch(code, user=user).run()
    assert json.loads(run.log(2)) == [word.encode("utf-8").hex() for word in AWKWARD]


def test_the_contract_is_in_the_environment_of_every_rank(launch: Make) -> None:
    code = "import os, json\nprint(json.dumps(dict(os.environ)))"
    run = launch(code, slots_cores=3, gpus=[[0], [1], [2], [3]], master_port=23456).run()
    seen = json.loads(run.log(3))
    expected = {
        "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "NODE_RANK": "1",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "23456", "CUDA_VISIBLE_DEVICES": "3", "OMP_NUM_THREADS": "3",
        "TRAINING_METRICS": str(run.folder / "metrics/rank-3.jsonl"), "TRAINING_RUN_ID": run.run_id,
        "TRAINING_ATTEMPT": "1", "AZUREML_RUN_ID": run.run_id,
    }  # fmt: skip
    assert {name: seen.get(name) for name in expected} == expected
    assert not [name for name in seen if name.startswith("TRAINING_AGENT_")]


def test_invalid_utf8_and_a_ten_megabyte_line_pass_unharmed(launch: Make) -> None:
    code = "import sys\nsys.stdout.buffer.write(b'\\xff\\xfe\\x00' + b'x' * 10_000_000 + b'\\n\\xc3')"
    run = launch(code, nodes=1).run()
    assert run.log(1) == b"\xff\xfe\x00" + b"x" * 10_000_000 + b"\n\xc3"


def test_a_silent_script_leaves_an_empty_log(launch: Make) -> None:
    run = launch("", nodes=1).run()
    assert run.code == 0 and run.log() == b""


def test_secrets_are_masked_and_the_rest_passes_unharmed(launch: Make) -> None:
    code = (
        "import os, sys, time\nsecret = os.environ['API_KEY']\nout = sys.stdout.buffer\n"
        "out.write(b'a ' + secret[:5].encode()); out.flush(); time.sleep(0.3)\n"
        "out.write(secret[5:].encode() + b' b\\n\\xff' + b'y' * 10_000_000); out.flush()\n"
        "print(secret, file=sys.stderr)\nraise ValueError('with ' + secret)"
    )
    run = launch(code, nodes=1, per_node=1, secrets={"API_KEY": "correct-horse-battery"}).run()
    log = run.log()
    assert log.startswith(b"a [secret] b\n\xff" + b"y" * 10_000_000 + b"[secret]\n")
    assert b"correct" not in log and run.rank(0)["exception"] == "ValueError: with [secret]"
    for path in run.folder.rglob("*"):
        assert not path.is_file() or b"correct-horse" not in path.read_bytes()


def test_a_masked_log_ends_although_a_daemon_keeps_it_open(launch: Make) -> None:
    code = "import os, subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)\nprint('x' + os.environ['K'])"
    run = launch(code, nodes=1, per_node=1, secrets={"K": "hunter2222"}).run()
    assert run.code == 0 and run.log() == b"x[secret]\n" and run.seconds < 15


def test_the_users_own_sitecustomize_still_runs(launch: Make) -> None:
    run = launch(
        "import sitecustomize\nprint(sitecustomize.__file__, sitecustomize.mine)", nodes=1, per_node=1
    )
    hooks = run.root / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text("mine = 42")
    request = json.loads(run.request.read_text())
    request["environment"]["PYTHONPATH"] = str(hooks)
    run.request.write_text(json.dumps(request))
    run.run()
    assert run.log() == f"{hooks}/sitecustomize.py 42\n".encode()
