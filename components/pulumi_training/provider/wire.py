"""Wire values: protobuf structs as the engine sends them, to and from Python values.

null, bool, string, list, map    themselves
number                           int when it has no fraction (the wire knows doubles only), else float
unknown                          `UNKNOWN`, of whatever type
secret                           `Secret(value)`
output value                     its value; `UNKNOWN` without one; `Secret(...)` when marked so
asset, archive                   `Asset`, with its hash alone when the engine left the content out
resource reference               `ResourceReference`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, cast

from google.protobuf import struct_pb2

from . import constants

INTEGERS_BELOW: Final = 2**64
"""A whole number from here on stays a float: nobody means an integer of 300 digits by 1e300."""


class Unknown:
    """A value that is not known in preview. There is one instance, `UNKNOWN`; it equals only itself."""

    _instance: Unknown | None = None

    def __new__(cls) -> Unknown:
        """The one instance."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "<unknown>"

    def __reduce__(self) -> tuple[type[Unknown], tuple[()]]:
        return Unknown, ()


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that must not be shown; it may be of any type and hold unknowns. Its repr hides it."""

    value: Any

    def __repr__(self) -> str:
        return "Secret([secret])"


@dataclass(frozen=True)
class ResourceReference:
    """Another resource given as a value. `id` is None for a component and `UNKNOWN` before its creation."""

    urn: str | Unknown
    id: str | Unknown | None = None
    package_version: str = ""


@dataclass(frozen=True)
class Asset:
    """An asset or archive; any of the fields may be missing, in old state all but the hash are."""

    is_archive: bool
    fields: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """The content's hash as the engine computed it, or an empty string."""
        return str(self.fields.get("hash") or "")


def decode(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Python values of a request's property map."""
    return {key: decode_value(value) for key, value in struct.fields.items()}


def decode_value(value: struct_pb2.Value) -> Any:
    """The Python value of one wire value."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text in constants.UNKNOWNS else text
    if kind == "number_value":
        return _number(value.number_value)
    if kind == "bool_value":
        return bool(value.bool_value)
    if kind == "list_value":
        return [decode_value(element) for element in value.list_value.values]
    if kind == "struct_value":
        return _structure(value.struct_value.fields)
    return None


def encode(values: Mapping[str, object]) -> struct_pb2.Struct:
    """The property map of an answer. Raises TypeError for what the wire has no form for, naming its path."""
    struct = struct_pb2.Struct()
    for key, value in values.items():
        _put(struct.fields[_text(key)], value, key)
    return struct


def contains_unknown(value: object) -> bool:
    """Whether `value` is or holds an unknown, secrets included."""
    if isinstance(value, Unknown):
        return True
    if isinstance(value, Secret):
        return contains_unknown(value.value)
    if isinstance(value, Asset):
        return contains_unknown(value.fields)
    if isinstance(value, ResourceReference):
        return isinstance(value.urn, Unknown) or isinstance(value.id, Unknown)
    if isinstance(value, Mapping):
        return any(contains_unknown(element) for element in value.values())
    if isinstance(value, (list, tuple)):
        return any(contains_unknown(element) for element in value)
    return False


def unwrap_secrets(value: object) -> tuple[Any, list[str]]:
    """`value` without its secret marks, and every text or number that was inside one (as text, once each)."""
    found: dict[str, None] = {}
    plain = _unwrapped(value, found, inside=False)
    return plain, list(found)


def contains_secret(value: object) -> bool:
    """Whether any part of `value` is marked secret."""
    if isinstance(value, Secret):
        return True
    if isinstance(value, Mapping):
        return any(contains_secret(element) for element in value.values())
    return isinstance(value, (list, tuple)) and any(contains_secret(element) for element in value)


def keep_secrets(value: object, original: object) -> Any:
    """`value` with the parts marked secret that `original` has marked at the same place.

    For an answer that echoes inputs: what came as a secret must not go back in the clear.
    """
    if isinstance(value, Secret):
        return value
    if isinstance(original, Secret):
        return Secret(value)
    if isinstance(value, Mapping) and isinstance(original, Mapping):
        return {key: keep_secrets(element, original.get(key)) for key, element in value.items()}
    if isinstance(value, (list, tuple)) and isinstance(original, (list, tuple)):
        rest = [None] * (len(value) - len(original))
        pairs = zip(value, [*original, *rest], strict=False)
        return [keep_secrets(element, first) for element, first in pairs]
    return value


def _number(number: float) -> int | float:
    if number.is_integer() and abs(number) < INTEGERS_BELOW:
        return int(number)
    return number


def _structure(fields: Any) -> Any:
    signature = fields[constants.SIGNATURE_KEY].string_value if constants.SIGNATURE_KEY in fields else None
    if signature == constants.SECRET:
        return Secret(decode_value(fields["value"]) if "value" in fields else None)
    if signature == constants.OUTPUT:
        value = decode_value(fields["value"]) if "value" in fields else UNKNOWN
        is_secret = "secret" in fields and fields["secret"].bool_value
        return Secret(value) if is_secret else value
    plain = {key: decode_value(value) for key, value in fields.items()}
    if signature == constants.RESOURCE:
        # A component has no id; a custom resource that does not exist yet has an unknown or an empty one.
        identity = plain.get("id")
        return ResourceReference(
            plain.get("urn", ""),
            UNKNOWN if identity == "" else identity,
            plain.get("packageVersion") or "",
        )
    if signature in (constants.ASSET, constants.ARCHIVE):
        del plain[constants.SIGNATURE_KEY]
        return Asset(signature == constants.ARCHIVE, plain)
    return plain


def _put(target: struct_pb2.Value, value: Any, path: str) -> None:
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, str):
        target.string_value = _text(value)
    elif isinstance(value, (int, float)):
        target.number_value = _double(value, path)
    elif isinstance(value, Unknown):
        target.string_value = constants.UNKNOWN_STRING
    elif isinstance(value, Secret):
        _put_map(target, {constants.SIGNATURE_KEY: constants.SECRET, "value": value.value}, path)
    elif isinstance(value, Mapping):
        _put_map(target, value, path)
    elif isinstance(value, Asset):
        signature = constants.ARCHIVE if value.is_archive else constants.ASSET
        _put_map(target, {constants.SIGNATURE_KEY: signature, **value.fields}, path)
    elif isinstance(value, ResourceReference):
        _put_map(target, _reference(value), path)
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        target.list_value.SetInParent()
        for position, element in enumerate(value):
            _put(target.list_value.values.add(), element, f"{path}[{position}]")
    else:
        raise TypeError(f"{path or 'the value'}: a {type(value).__name__} has no form on the wire")


def _put_map(target: struct_pb2.Value, value: Mapping[Any, Any], path: str) -> None:
    target.struct_value.SetInParent()
    fields = target.struct_value.fields
    for key, element in value.items():
        if not isinstance(key, str):
            raise TypeError(f"{path}: the key {key!r} is not a string")
        _put(fields[_text(key)], element, f"{path}.{key}" if path else key)


def _reference(value: ResourceReference) -> dict[str, Any]:
    reference: dict[str, Any] = {constants.SIGNATURE_KEY: constants.RESOURCE, "urn": value.urn}
    if value.id is not None:
        reference["id"] = value.id
    if value.package_version:
        reference["packageVersion"] = value.package_version
    return reference


def _double(number: int | float, path: str) -> float:
    try:
        return float(number)
    except OverflowError:
        raise TypeError(f"{path or 'the value'}: the number is too large for a double") from None


def _text(text: str) -> str:
    # A file name that is no UTF-8 holds lone surrogates, which protobuf refuses.
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return str(text)


def _unwrapped(value: object, found: dict[str, None], *, inside: bool) -> Any:
    if isinstance(value, Secret):
        return _unwrapped(value.value, found, inside=True)
    if isinstance(value, Mapping):
        return {key: _unwrapped(element, found, inside=inside) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unwrapped(element, found, inside=inside) for element in value]
    if inside and isinstance(value, Asset):
        _unwrapped(value.fields, found, inside=True)
    elif inside and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        found[str(cast(object, value))] = None
    return value
