"""Scripts get what was written, byte for byte, and may print whatever they like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from job_plugin import Jobs

from pulumi_training.spec.arguments import flatten

WRITES_ITS_ARGUMENTS = """
import os, sys
with open(os.environ["TRAINING_OUTPUT_DIR"] + "/argv", "wb") as file:
    file.write(b"\\0".join(map(os.fsencode, sys.argv[1:])))
"""

PARAMETERS: dict[str, Any] = {
    "--list": ["a", 1, "", "b c"],
    "--none": None,
    "--empty": "",
    "--float": 1.0,
    "--big": 2**60 + 1,
    "--unicode": "größe 🚀 \u2028 \x7f",
    "--quotes": "'single' \"double\" `back` \\ \\n",
    "--dollars": "$HOME ${HOME} $(id) $$ ${data.x} $${data.y} %s %(x)s",
    "--lines": "one\ntwo\r\n\tthree\n",
    "--flag": True,
    "--off": False,
    "--dash": "-",
    "--spaces": "  ",
    "--star": "*",
    "--long": "x" * 100_000,
}
WORDS = [
    "--list", "a", "1", "", "b c", "--none", "--empty", "", "--float", "1.0", "--big", "1152921504606846977",
    "--unicode", PARAMETERS["--unicode"], "--quotes", PARAMETERS["--quotes"],
    "--dollars", PARAMETERS["--dollars"], "--lines", PARAMETERS["--lines"], "--flag",
    "--dash", "-", "--spaces", "  ", "--star", "*", "--long", PARAMETERS["--long"],
]  # fmt: skip


def test_parameters_reach_a_script_byte_for_byte(lab: Jobs) -> None:
    lab.source(WRITES_ITS_ARGUMENTS)
    made, _ = lab.train(arguments=flatten(PARAMETERS))
    assert lab.file(made, "argv").split(b"\0") == [word.encode() for word in WORDS]


def test_parameters_reach_a_command_byte_for_byte(lab: Jobs) -> None:
    lab.source(WRITES_ITS_ARGUMENTS)
    made, _ = lab.train(entryScript=None, command='python train.py first "$@"', arguments=flatten(PARAMETERS))
    assert lab.file(made, "argv").split(b"\0") == [b"first", *(word.encode() for word in WORDS)]


def test_data_stands_for_its_path_and_text_does_not(lab: Jobs) -> None:
    data = lab.folder / "data"
    data.mkdir()
    (data / "a.csv").write_text("42")
    lab.source("import sys\nprint(open(sys.argv[1] + '/a.csv').read(), sys.argv[2])\n")
    made, _ = lab.train(inputs={"d": {"uri": "./data"}}, arguments=["${data.d}", "$${data.d}"])
    assert lab.log(made) == b"42 ${data.d}\n"


def test_variables_reach_the_script_and_secrets_no_record(lab: Jobs) -> None:
    lab.source("import os\nprint(os.environ['PLAIN'], os.environ['TOKEN'][::-1], os.environ['TOKEN'])\n")
    made, _ = lab.train(
        environmentVariables={"PLAIN": "a 'b' $HOME\n"},
        secretEnvironmentVariables={"TOKEN": "hunter2-secret"},
    )
    assert lab.log(made) == b"a 'b' $HOME\n terces-2retnuh [secret]\n"
    for path in lab.store.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".jsonl", ".log"):
            assert b"hunter2-secret" not in path.read_bytes(), path
    assert "hunter2-secret" not in lab.said()
    assert "hunter2-secret" not in json.dumps(made.outputs, default=repr)


def test_invalid_utf8_is_kept_as_it_is_and_shown_with_marks(lab: Jobs) -> None:
    lab.source("import sys\nsys.stdout.buffer.write(b'caf\\xe9 \\xff\\xfe\\n')\nsys.exit(3)\n")
    made = lab.create(lab.checked(lab.inputs()))
    assert made.reasons and made.outputs["failure"]["exitCode"] == 3
    assert lab.log(made) == b"caf\xe9 \xff\xfe\n"
    assert "caf\ufffd" in "\n".join(made.reasons)


def test_a_line_of_ten_megabytes_is_kept_whole_and_cut_for_people(lab: Jobs) -> None:
    lab.source("import sys\nsys.stdout.write('x' * 10_000_000)\nsys.stdout.flush()\nsys.exit(4)\n")
    made = lab.create(lab.checked(lab.inputs()))
    assert len(lab.log(made)) == 10_000_000
    assert made.outputs["failure"]["exitCode"] == 4
    assert max(map(len, made.reasons)) <= 4096 + 100
    assert len(json.dumps(made.outputs)) < 20_000
    assert all(len(line) < 2000 for line in lab.engine.lines())


def test_a_script_that_prints_nothing(lab: Jobs) -> None:
    lab.source("")
    made, _ = lab.train()
    assert lab.log(made) == b""
    assert (made.outputs["status"], made.outputs["fileCount"]) == ("Completed", 0)
    lab.source("import sys; sys.exit(5)")
    lab.until(lambda: lab.checked(lab.inputs())["runKey"] != made.outputs["runKey"], 10)
    failed = lab.create(lab.checked(lab.inputs()))
    assert "ScriptFailed: rank 0 on node 0 exited with code 5" in failed.reasons[0]
    assert "last lines" not in "\n".join(failed.reasons)


def test_outputs_are_listed_and_state_stays_small(lab: Jobs) -> None:
    lab.source(
        "import os\nfor i in range(150):\n    open(f'outputs/{i:03}', 'w').write('x' * i)\nprint(os.getcwd())\n"
    )
    made, _ = lab.train()
    assert made.outputs["fileCount"] == 150 and len(made.outputs["files"]) == 100
    assert made.outputs["files"][3]["size"] == 3
    assert str(lab.folder / "src") not in lab.log(made).decode(), "ranks run in a copy"
    assert Path(made.outputs["outputsLocation"], "149").stat().st_size == 149
