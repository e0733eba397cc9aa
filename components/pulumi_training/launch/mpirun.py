"""The `mpirun` line of each MPI, up to the program.

Flags and their reasons were measured with the Open MPI 5.0.11 wheel on two cores: `ob1` with
`self,sm,tcp` brings MPI_Init from 1.1 s to 0.1 s; `--bind-to none` with `mpi_yield_when_idle` makes an
allreduce of four ranks on two cores 30 times faster; one daemon per host, since two on one host hang.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from .topology import Topology


class Flavour(str, Enum):
    """Whose `mpirun` it is; their options differ."""

    OPENMPI5 = "openmpi5"
    OPENMPI4 = "openmpi4"
    MPICH = "mpich"
    INTEL = "intel"


FORWARDED = ("TRAINING_AGENT_ADDRESS", "TRAINING_AGENT_SECRET", "TRAINING_RUN_ID", "TRAINING_ATTEMPT")
"""Variables that the ranks' wrappers need on other machines, where nothing is inherited."""


def launcher_line(
    flavour: Flavour | str,
    mpirun_path: str,
    topology: Topology,
    hosts: Sequence[str],
    *,
    agent: Sequence[str] = (),
    shell_file: str | None = None,
    single_host: bool,
    as_root: bool,
    forward: Sequence[str] = (),
) -> list[str]:
    """The launcher's argv up to the program.

    `agent` is the argv prefix of the agent, which stands in for ssh on several hosts; `shell_file` is a program
    that is the same in one word, which hydra needs: it takes the whole value for a file's name. `forward` names further
    variables for the ranks there (secrets: names only, so that no value stands in an argv). `as_root` says
    whether the launcher runs as uid 0, which Open MPI refuses unless told. Raises ValueError where `hosts`
    does not fit the topology or an agent word cannot be written into a launcher's option.
    """
    kind = Flavour(flavour)
    if not single_host and len(hosts) != topology.node_count:
        raise ValueError(f"{topology.node_count} nodes but {len(hosts)} hosts")
    words = [shell_file] if shell_file is not None else [*agent, "exec"]
    remote_shell = "" if single_host else _one_word(words)
    names = () if single_host else (*FORWARDED, *forward)
    if kind is Flavour.OPENMPI5:
        return _open_mpi(
            mpirun_path,
            topology,
            hosts,
            single_host,
            as_root,
            "--prtemca",
            "plm_ssh_agent",
            remote_shell,
            names,
        )
    if kind is Flavour.OPENMPI4:
        return _open_mpi(
            mpirun_path, topology, hosts, single_host, as_root, "--mca", "plm_rsh_agent", remote_shell, names
        )
    return _hydra(kind, mpirun_path, topology, hosts, single_host, remote_shell, names)


def _open_mpi(
    mpirun_path: str,
    topology: Topology,
    hosts: Sequence[str],
    single_host: bool,
    as_root: bool,
    option: str,
    parameter: str,
    remote_shell: str,
    names: Sequence[str],
) -> list[str]:
    shared_memory = "sm" if option == "--prtemca" else "vader"
    line = [mpirun_path]
    if as_root:
        line.append("--allow-run-as-root")
    line += ["--bind-to", "none"]
    line += [
        "--mca",
        "pml",
        "ob1",
        "--mca",
        "btl",
        f"self,{shared_memory},tcp",
        "--mca",
        "mpi_yield_when_idle",
        "1",
    ]
    if single_host:
        return [*line, "--host", f"localhost:{topology.world_size}", "-np", str(topology.world_size)]
    line += [option, parameter, remote_shell]
    for name in names:
        line += ["-x", name]
    places = ",".join(f"{host}:{topology.process_count_per_node}" for host in hosts)
    return [*line, "--host", places, "--map-by", "slot", "-np", str(topology.world_size)]


def _hydra(
    kind: Flavour,
    mpirun_path: str,
    topology: Topology,
    hosts: Sequence[str],
    single_host: bool,
    remote_shell: str,
    names: Sequence[str],
) -> list[str]:
    line = [mpirun_path, "-bind-to" if kind is Flavour.MPICH else "-genv"]
    line += ["none"] if kind is Flavour.MPICH else ["I_MPI_PIN", "0"]
    if kind is Flavour.MPICH:
        # UCX and CMA take containers of one kernel for one host and die in MPI_Init.
        line += ["-genv", "MPIR_CVAR_CH4_CMA_ENABLE", "0"]
        line += [] if single_host else ["-genv", "UCX_TLS", "tcp,self"]
    if single_host:
        return [*line, "-launcher", "fork", "-n", str(topology.world_size)]
    line += ["-launcher", "rsh", "-launcher-exec", remote_shell]
    if names:
        line += ["-genvlist", ",".join(names)]
    line += ["-hosts", ",".join(f"{host}:{topology.process_count_per_node}" for host in hosts)]
    return [*line, "-ppn", str(topology.process_count_per_node), "-n", str(topology.world_size)]


def _one_word(words: Sequence[str]) -> str:
    """Launchers split the value at spaces and know no quotes. Raises ValueError for words that need them."""
    for word in words:
        if not word or any(letter in word for letter in " \t\n\"'\\"):
            raise ValueError(f"the agent's path must have no space or quote in it: {word!r}")
    return " ".join(words)
