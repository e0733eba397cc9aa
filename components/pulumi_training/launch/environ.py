"""The environment contract that all ranks of a run share; what differs by rank is the agent's part."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .request import MASTER_PORT
from .topology import Topology


def shared_environment(
    *,
    run_id: str,
    attempt: int,
    store: str = "",
    topology: Topology,
    output_dir: str,
    log_dir: str,
    resume_from: str | None = None,
    data: Mapping[str, str] | None = None,
    user: Mapping[str, str] | None = None,
    master_addr: str = "127.0.0.1",
    master_port: int = MASTER_PORT,
    bin_folder: str | None = None,
    path: str = "/usr/local/bin:/usr/bin:/bin",
) -> dict[str, str]:
    """The variables of all ranks; `user` are the job's own, which may not override the contract.

    `store` is the identity of the run's store, empty for attempts that began before stores had one.
    `output_dir` and `log_dir` are the script's `./outputs` and `./logs`; `data` maps a name to its path;
    `bin_folder` is the environment's, put before `path` (or before the user's own PATH). The names for
    scripts written for Azure ML are Azure ML's: AZUREML_RUN_ID, AZUREML_OUTPUT_DIRECTORY,
    AZUREML_DATAREFERENCE_<name>, AZ_BATCH_MASTER_NODE, AZ_BATCHAI_MPI_MASTER_NODE.
    """
    environment = dict(user or {})
    if bin_folder is not None:
        environment["PATH"] = f"{bin_folder}:{environment.get('PATH', path)}"
    environment.update(
        {
            "TRAINING_RUN_ID": run_id,
            "TRAINING_ATTEMPT": str(attempt),
            **({"TRAINING_STORE_ID": store} if store else {}),
            "TRAINING_OUTPUT_DIR": output_dir,
            "TRAINING_LOG_DIR": log_dir,
            "AZUREML_RUN_ID": run_id,
            "AZUREML_OUTPUT_DIRECTORY": output_dir,
        }
    )
    if topology.node_count > 1:
        environment["AZ_BATCH_MASTER_NODE"] = f"{master_addr}:{master_port}"
    else:
        environment["AZ_BATCHAI_MPI_MASTER_NODE"] = master_addr
    if resume_from is not None:
        environment["TRAINING_RESUME_FROM"] = resume_from
    for name, place in (data or {}).items():
        environment[data_variable(name)] = place
        environment[f"AZUREML_DATAREFERENCE_{name}"] = place
    return environment


def data_variable(name: str) -> str:
    """The variable that holds the path of an input: `TRAINING_DATA_` and the name in capitals."""
    return "TRAINING_DATA_" + re.sub(r"\W", "_", name, flags=re.ASCII).upper()
