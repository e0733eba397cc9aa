"""What of the inputs is secret: what the program marked, what the models call so, and credentials in addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..spec.secrecy import ADDRESSES_IN_COMPUTE, PLAIN_IN_COMPUTE, SECRETS, TUNING, settings_in
from ..spec.urls import credentials_of, display
from .wire import Secret, unwrap_secrets

_LEADING = ("environment", "imageRegistry", "compute", "workspace")
"""Objects that may hold a secret; maps of the user's own names are not looked into, save for those of data."""
_DATA = ("inputs", "outputs")
_COMPUTE = ("compute", "workspace")
_ADDRESSES = frozenset(
    {
        "store", "trackingUri", "settings", "dockerHost", "uri", "resumeFrom", "indexUrl", "extraIndexUrls", "findLinks",
        "condaChannels", "pipPackages",
    }
)  # fmt: skip
"""Properties that are URLs, or several of them: one with a password or a signature in it is a secret as a whole."""


def with_secrets_marked(inputs: Mapping[str, object]) -> dict[str, Any]:
    """`inputs` with every property marked secret that is one, at whatever depth, whether the program said so or not."""
    return {name: _marked(name, value) for name, value in inputs.items()}


def secret_texts(*values: Mapping[str, object]) -> tuple[str, ...]:
    """Every text that is secret in some inputs or outputs, once each, to be masked in whatever is shown."""
    found: dict[str, None] = {}
    for value in values:
        for name, item in with_secrets_marked(value).items():
            texts = unwrap_secrets(without_plain(item) if name in _COMPUTE else item)[1]
            found.update(dict.fromkeys(texts))
            found.update(
                dict.fromkeys(part for text in texts for part in (*credentials_of(text), *_shown_as(text)))
            )
    return tuple(found)


def _shown_as(text: str) -> tuple[str, ...]:
    """How a secret address is shown: as a path that was resolved, as a URL without its credentials."""
    if "/" not in text or any(map(str.isspace, text)):
        return ()
    return tuple({text.removeprefix("file://").removeprefix("./").rstrip("/"), display(text)} - {text, ""})


def without_plain(compute: object) -> Any:
    """A cluster or workspace without what says nothing: secret as a whole, its every word would be masked everywhere."""
    if isinstance(compute, Secret):
        return Secret(without_plain(compute.value))
    if not isinstance(compute, Mapping):
        return compute
    left = {name: value for name, value in compute.items() if name not in PLAIN_IN_COMPUTE | TUNING}
    return {
        name: without_plain(value) if isinstance(value, (Mapping, Secret)) else value
        for name, value in left.items()
    }


def texts_in_compute(compute: Any) -> tuple[str, ...]:
    """What of a cluster no record may hold: secret settings, and what opens the addresses in it."""
    left, _ = unwrap_secrets(without_plain(compute))
    if not isinstance(left, Mapping):
        return ()
    whole = [left[name] for name in settings_in(left)]
    texts = [part for text in _strings(left) for part in credentials_of(text)]
    if isinstance(compute, Secret):
        texts += _strings(whole)
    else:
        marked = {name: item for name, item in compute.items() if name not in ADDRESSES_IN_COMPUTE}
        texts += unwrap_secrets(without_plain(marked))[1]
    return tuple(dict.fromkeys(texts))


def secret_where_store_is(outputs: Mapping[str, object], inputs: Mapping[str, object]) -> dict[str, Any]:
    """`outputs` with those marked secret that have the address of a secret store in them."""
    compute = inputs.get("compute")
    store = compute.value if isinstance(compute, Secret) else compute
    store = store.get("store") if isinstance(store, Mapping) else None
    if not isinstance(compute, Secret) and not isinstance(store, Secret):
        return dict(outputs)
    text = store.value if isinstance(store, Secret) else store
    text = text.removeprefix("file://").removeprefix("./").rstrip("/") if isinstance(text, str) else ""
    return {
        name: Secret(value) if text and isinstance(value, str) and text in value else value
        for name, value in outputs.items()
    }


def has_secret_price(compute: object) -> bool:
    """Whether a program says that what a node costs is nobody's business; a record would tell it, and every cost."""
    return isinstance(compute, Mapping) and isinstance(compute.get("pricePerNodeHour"), Secret)


def _marked_compute(compute: Mapping[str, object]) -> dict[str, Any]:
    """A cluster, with its settings: what a target calls a credential is one, and so is an address that opens itself."""
    marked = with_secrets_marked(compute)
    for target in settings_in(marked):
        if target != "settings":
            secret = credentials(target)
            marked[target] = {
                name: Secret(value)
                if name in secret and not isinstance(value, Secret)
                else _marked("settings", value)
                for name, value in marked[target].items()
            }
    return marked


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    )
    return [text for item in items for text in _strings(item)]


def credentials(target: str) -> frozenset[str]:
    """The settings of a target that are secret whatever their values are."""
    from ..targets.compute_settings import credentials as of_model

    return of_model(target)


def _marked(name: str, value: object) -> Any:
    if isinstance(value, Secret) or value is None:
        return value
    if name in SECRETS:
        return Secret(value)
    if isinstance(value, str):
        return Secret(value) if name in _ADDRESSES and credentials_of(value) else value
    if isinstance(value, (list, tuple)) and name in _ADDRESSES:
        return [_marked(name, item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if name == "settings":
        return {setting: _marked(name, item) for setting, item in value.items()}
    if name in _COMPUTE:
        return _marked_compute(value)
    if name in _DATA:
        return {
            n: with_secrets_marked(item) if isinstance(item, Mapping) else item for n, item in value.items()
        }
    return with_secrets_marked(value) if name in _LEADING else value
