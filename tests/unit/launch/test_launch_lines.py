from __future__ import annotations

import json

import pytest

from pulumi_training.agent.request import Request
from pulumi_training.launch.environ import data_variable, shared_environment
from pulumi_training.launch.mpirun import launcher_line
from pulumi_training.launch.python_line import script_line
from pulumi_training.launch.request import LaunchRequest, Limits
from pulumi_training.launch.topology import Topology

TWO_BY_TWO = Topology(2, 2)
AGENT = ["/venv/bin/python", "-I", "-S", "/agent.pyz"]


def test_ranks_fill_one_node_after_the_other() -> None:
    topology = Topology(2, 3)
    assert topology.world_size == 6
    assert [topology.node_of(rank) for rank in range(6)] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (-1, 2)])
def test_an_empty_topology_is_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Topology(*counts)


def test_open_mpi_5_on_one_host_is_one_daemon() -> None:
    line = launcher_line("openmpi5", "/v/mpirun", TWO_BY_TWO, ["localhost"], single_host=True, as_root=False)
    assert line == [
        "/v/mpirun",
        "--bind-to",
        "none",
        "--mca",
        "pml",
        "ob1",
        "--mca",
        "btl",
        "self,sm,tcp",
        "--mca",
        "mpi_yield_when_idle",
        "1",
        "--host",
        "localhost:4",
        "-np",
        "4",
    ]


def test_open_mpi_5_on_two_hosts_uses_the_agent_for_ssh() -> None:
    line = launcher_line(
        "openmpi5",
        "mpirun",
        TWO_BY_TWO,
        ["a", "b"],
        agent=AGENT,
        single_host=False,
        as_root=True,
        forward=["API_KEY"],
    )
    assert line == [
        "mpirun", "--allow-run-as-root", "--bind-to", "none", "--mca", "pml", "ob1", "--mca", "btl", "self,sm,tcp",
        "--mca", "mpi_yield_when_idle", "1", "--prtemca", "plm_ssh_agent", "/venv/bin/python -I -S /agent.pyz exec",
        "-x", "TRAINING_AGENT_ADDRESS", "-x", "TRAINING_AGENT_SECRET", "-x", "TRAINING_RUN_ID", "-x", "TRAINING_ATTEMPT",
        "-x", "API_KEY", "--host", "a:2,b:2", "--map-by", "slot", "-np", "4",
    ]  # fmt: skip


def test_open_mpi_4_has_its_own_names() -> None:
    line = launcher_line(
        "openmpi4", "mpirun", TWO_BY_TWO, ["a", "b"], agent=AGENT, single_host=False, as_root=False
    )
    assert "--prtemca" not in line and "self,vader,tcp" in line
    assert line[line.index("plm_rsh_agent") - 1 : line.index("plm_rsh_agent") + 2] == [
        "--mca", "plm_rsh_agent", "/venv/bin/python -I -S /agent.pyz exec",
    ]  # fmt: skip


def test_mpich_on_one_host_and_on_two() -> None:
    one = launcher_line("mpich", "mpiexec", TWO_BY_TWO, ["localhost"], single_host=True, as_root=True)
    assert one == [
        "mpiexec",
        "-bind-to",
        "none",
        "-genv",
        "MPIR_CVAR_CH4_CMA_ENABLE",
        "0",
        "-launcher",
        "fork",
        "-n",
        "4",
    ]
    two = launcher_line(
        "mpich", "mpiexec", TWO_BY_TWO, ["a", "b"], agent=["/agent"], single_host=False, as_root=True
    )
    assert two == [
        "mpiexec", "-bind-to", "none", "-genv", "MPIR_CVAR_CH4_CMA_ENABLE", "0", "-genv", "UCX_TLS", "tcp,self",
        "-launcher", "rsh", "-launcher-exec", "/agent exec", "-genvlist",
        "TRAINING_AGENT_ADDRESS,TRAINING_AGENT_SECRET,TRAINING_RUN_ID,TRAINING_ATTEMPT",
        "-hosts", "a:2,b:2", "-ppn", "2", "-n", "4",
    ]  # fmt: skip


def test_intel_mpi_does_not_pin() -> None:
    line = launcher_line("intel", "mpiexec", TWO_BY_TWO, ["localhost"], single_host=True, as_root=False)
    assert line == ["mpiexec", "-genv", "I_MPI_PIN", "0", "-launcher", "fork", "-n", "4"]


def test_what_a_launcher_cannot_take_is_refused() -> None:
    with pytest.raises(ValueError, match="2 nodes but 1 hosts"):
        launcher_line("openmpi5", "mpirun", TWO_BY_TWO, ["a"], single_host=False, as_root=False)
    with pytest.raises(ValueError, match="no space"):
        launcher_line(
            "openmpi5",
            "mpirun",
            TWO_BY_TWO,
            ["a", "b"],
            agent=["/my agent"],
            single_host=False,
            as_root=False,
        )
    with pytest.raises(ValueError, match="lam"):
        launcher_line("lam", "mpirun", TWO_BY_TWO, ["a", "b"], single_host=False, as_root=False)


def test_mpi_scripts_run_under_mpi4py_so_that_an_exception_aborts_all() -> None:
    line = script_line("/py", entry_script="train.py", arguments=["--n", ""], backend="mpi")
    assert line == ["/py", "-u", "-m", "mpi4py", "train.py", "--n", ""]
    assert script_line("/py", entry_script="train.py", backend="gloo") == ["/py", "-u", "train.py"]


def test_a_command_gets_its_arguments_from_the_shell() -> None:
    assert script_line("/py", command="run $1", arguments=["a b"]) == ["/bin/sh", "-c", "run $1", "sh", "a b"]


@pytest.mark.parametrize("both", [{}, {"entry_script": "a", "command": "b"}])
def test_a_script_is_one_thing(both: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="either"):
        script_line("/py", **both)  # type: ignore[arg-type]


def test_the_shared_contract() -> None:
    environment = shared_environment(
        run_id="fit-1", attempt=2, topology=TWO_BY_TWO, output_dir="/c/outputs", log_dir="/c/logs", resume_from="/r",
        data={"my-digits": "/d"}, user={"LR": "0.1", "TRAINING_RUN_ID": "mine"}, bin_folder="/v/bin", path="/bin",
        master_port=1234,
    )  # fmt: skip
    assert environment == {
        "LR": "0.1", "PATH": "/v/bin:/bin",
        "TRAINING_RUN_ID": "fit-1", "TRAINING_ATTEMPT": "2", "TRAINING_OUTPUT_DIR": "/c/outputs",
        "TRAINING_LOG_DIR": "/c/logs", "TRAINING_RESUME_FROM": "/r", "TRAINING_DATA_MY_DIGITS": "/d",
        "AZUREML_RUN_ID": "fit-1", "AZUREML_OUTPUT_DIRECTORY": "/c/outputs",
        "AZUREML_DATAREFERENCE_my-digits": "/d", "AZ_BATCH_MASTER_NODE": "127.0.0.1:1234",
    }  # fmt: skip
    assert data_variable("a.b c") == "TRAINING_DATA_A_B_C"


def test_a_single_node_has_azure_mls_single_node_name() -> None:
    environment = shared_environment(
        run_id="r", attempt=1, topology=Topology(1, 4), output_dir="o", log_dir="l"
    )
    assert (
        environment["AZ_BATCHAI_MPI_MASTER_NODE"] == "127.0.0.1" and "AZ_BATCH_MASTER_NODE" not in environment
    )


def request(**fields: object) -> LaunchRequest:
    base: dict[str, object] = {
        "run_id": "r", "attempt": 1, "script": ["true"], "cwd": "/c", "folder": "/f", "agent": AGENT,
    }  # fmt: skip
    return LaunchRequest(**{**base, **fields})  # type: ignore[arg-type]


def test_the_agent_reads_what_launch_writes() -> None:
    written = request(
        node_count=2, process_count_per_node=2, launcher=["mpirun"], limits=Limits(run_seconds=5), gpus=[[0], [1]],
        hosts=["a", "b"], environment={"A": "\u00fc"}, secret_names=["K"], slots_cores=2, parameter_server_count=1,
    )  # fmt: skip
    read = Request(json.loads(json.dumps(written.to_json())))
    assert (read.world_size, read.limits.run, read.limits.stall, read.limits.grace) == (4, 5.0, None, 30.0)
    assert read.gpus == [[0], [1]] and read.environment == {"A": "\u00fc"} and read.secret_names == ["K"]
    assert not read.is_single_host and read.slot_cores == 2 and read.parameter_server_count == 1


def test_a_request_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="absolute"):
        request(cwd="code")
    with pytest.raises(ValueError, match="launcher"):
        request(node_count=2)
    with pytest.raises(ValueError, match="version 2"):
        Request({"version": 2})
    with pytest.raises(ValueError, match="folder"):
        Request({k: v for k, v in request().to_json().items() if k != "folder"})
