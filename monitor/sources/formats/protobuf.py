"""Protobuf messages, framed for a Schema Registry."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from confluent_kafka.schema_registry import Schema
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from monitor.sources.formats.documents import Document, DocumentDecoder, Moment, Reader, Unreadable
from monitor.sources.missing_fields import AbsentError

_NAME = "schema.proto"
_FORM = "serialized"  # the registry then sends descriptors in base64, not the text of a .proto file
_TIMESTAMP = "google.protobuf.Timestamp"
_SHIPPED = {"google/": "google.", "confluent/": "confluent_kafka.schema_registry.confluent."}
_DEEPEST = 16  # levels of messages within messages that an index can point into
_LONGEST = 5  # bytes of one number of an index
_FEWEST = 2  # bytes of a message within another one: in memory it has room for each of its fields
_FIELD, _EMPTY = 16, 64  # bytes in memory of a field and of a message without any
_MEMORY = 2**28  # bytes that the messages within one may take


class ProtobufDecoder(DocumentDecoder):
    """Protobuf messages of any type of the schema's file. `google.protobuf.Timestamp` needs no time unit.

    A field without presence (plain proto3) that was not sent is 0, as Protobuf has it; an unset `optional` one is NaN.
    One more reason: protobuf.
    """

    reason = "protobuf"

    def open(self, number: int) -> Reader:
        """See `DocumentDecoder`."""
        schema = self._registry.schema(number, _FORM, "PROTOBUF")
        pool = DescriptorPool()
        others = self._registry.references(schema, _FORM)
        for name, other in others:
            _add(pool, name, other)
        file = _add(pool, _NAME, schema)
        types: dict[tuple[int, ...], type[Message]] = {}
        inner = _largest_inner(pool, [_NAME, *(name for name, _ in others)])

        def read(payload: bytes) -> Document:
            if len(payload) // _FEWEST * inner > _MEMORY:
                raise Unreadable("protobuf", f"{len(payload):,} bytes could hold messages that take too much memory")
            rest = io.BytesIO(payload)
            index = _message_index(rest)
            if index not in types:
                types[index] = GetMessageClass(pool.FindMessageTypeByName(_type_name(file, index)))
            message = types[index]()
            message.ParseFromString(rest.read())
            return lambda path: _get(message, path)

        return read


def _add(pool: DescriptorPool, name: str, schema: Schema) -> FileDescriptorProto:
    """Put a file of the registry into the pool, after what comes with the libraries and it imports."""
    file = FileDescriptorProto()
    file.ParseFromString(base64.b64decode(schema.schema_str or "", validate=True))
    file.name = name
    for imported in file.dependency:
        _add_shipped(pool, imported)
    pool.Add(file)
    return file


def _add_shipped(pool: DescriptorPool, name: str) -> None:
    """Put a file that comes with the libraries into the pool, such as google/protobuf/timestamp.proto."""
    folder = next((folder for folder in _SHIPPED if name.startswith(folder)), None)
    if folder is None:
        return  # it came as a reference, or the pool says that it is missing
    module = name.removeprefix(folder).removesuffix(".proto").replace("/", ".")
    file = import_module(f"{_SHIPPED[folder]}{module}_pb2").DESCRIPTOR
    for imported in file.dependencies:
        _add_shipped(pool, imported.name)
    pool.AddSerializedFile(file.serialized_pb)


def _largest_inner(pool: DescriptorPool, names: Sequence[str]) -> int:
    """Bytes in memory of the largest message that can lie within one of these files, 0 where there is none."""
    left = [message for name in names for message in pool.FindFileByName(name).message_types_by_name.values()]
    inner = {}
    while left:
        message = left.pop()
        left += message.nested_types
        inner.update({f.message_type.full_name: f.message_type for f in message.fields if f.message_type is not None})
    return max((_EMPTY + _FIELD * len(message.fields) for message in inner.values()), default=0)


def _message_index(rest: io.BytesIO) -> tuple[int, ...]:
    """Which message type of the file it is: the place at each level of nesting; a single zero means the first."""
    count = _number(rest)
    if not 0 <= count <= _DEEPEST:
        raise Unreadable("protobuf", f"the message index has {count} levels")
    return tuple(_number(rest) for _ in range(count)) or (0,)


def _number(rest: io.BytesIO) -> int:
    """A zigzag varint of bounded length."""
    value = 0
    for place in range(_LONGEST):
        byte = rest.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return (value >> 1) ^ -(value & 1)
    raise Unreadable("protobuf", "the message index is cut off, or too long")


def _type_name(file: FileDescriptorProto, index: tuple[int, ...]) -> str:
    """The full name of a message type."""
    names = [file.package] if file.package else []
    types = file.message_type
    for place in index:
        if not 0 <= place < len(types):
            raise Unreadable("protobuf", f"the schema has no message with the index {list(index)}")
        names.append(types[place].name)
        types = types[place].nested_type
    return ".".join(names)


def _get(message: Any, path: str) -> Any:
    """The value at a dotted path; None where an optional field is not set."""
    item = message
    for part in path.split("."):
        field = item.DESCRIPTOR.fields_by_name.get(part) if isinstance(item, Message) else None
        if field is None:
            raise AbsentError(path, dict.fromkeys(message.DESCRIPTOR.fields_by_name))
        if field.has_presence and not item.HasField(part):
            return None
        item = getattr(item, part)
    if isinstance(item, Message):
        if item.DESCRIPTOR.full_name == _TIMESTAMP:
            return Moment(item.seconds * 10**9 + item.nanos)
        return item
    return item if isinstance(item, str | bytes | int | float) else list(item)
