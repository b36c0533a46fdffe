"""Reads a pickle as a description: nothing is imported, constructed or called, whatever the pickle asks for."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

MAPPINGS = ("collections.OrderedDict", "collections.Counter", "collections.defaultdict")
_LONGEST = 32 * 2**20  # bytes of pickle: objects in memory are up to a hundred times as large
_MARK = object()
_KEYS = (str, bytes, int, float, type(None))


class InertPickleError(ValueError):
    """Bytes that are no sound pickle, or ask for what a description cannot hold."""


@dataclass(eq=False, slots=True, repr=False)
class Inert:
    """An object that the pickle wanted: its name, and what it was to be made from.

    Args:
        name: module and name of the class or function; a stored object's is `storage`.
        made_from: arguments, None for the class or function itself.
        state: what was to be set on it afterwards.
        items: what was to be put into it.
    """

    name: str
    made_from: Any = None
    state: Any = None
    items: list[Any] = field(default_factory=list)


def read_inert_pickle(data: bytes) -> Any:
    """The object that a pickle describes: plain values, lists, tuples and dicts, and `Inert` for all the rest.

    Ordered dicts and counters become dicts.

    Raises:
        InertPickleError: damaged, longer than 32 MiB, or with operations of no use here (extension codes,
            out-of-band buffers).
    """
    if len(data) > _LONGEST:
        raise InertPickleError(f"{len(data)} bytes of pickle where {_LONGEST} are the most")
    machine = _Machine()
    try:
        for operation, argument in _operations(data):
            if operation == "STOP":
                return machine.pop()
            machine.do(operation, argument)
    except InertPickleError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError, RecursionError) as error:
        raise InertPickleError(f"a damaged pickle ({error})") from error
    raise InertPickleError("a pickle without an end")


def _operations(data: bytes) -> Iterator[tuple[str, Any]]:
    for operation, argument, _ in pickletools.genops(BytesIO(data)):
        yield operation.name, argument


class _Machine:
    """The stack and memo of the pickle format; its operations by name, see `pickletools`."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def do(self, operation: str, argument: Any) -> None:
        action = _ACTIONS.get(operation)
        if action is None:
            raise InertPickleError(f"the operation {operation}")
        action(self, argument)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise InertPickleError("a mark where a value belongs")
        return value

    def top(self) -> Any:
        value = self.pop()
        self.stack.append(value)
        return value

    def since_mark(self) -> list[Any]:
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                values = self.stack[place + 1 :]
                del self.stack[place:]
                return values
        raise InertPickleError("no mark where one belongs")

    def discard(self) -> None:
        self.since_mark()

    def several(self, count: int) -> tuple[Any, ...]:
        return tuple(reversed([self.pop() for _ in range(count)]))

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def remember(self, place: int) -> None:
        self.memo[place] = self.top()

    def made(self, made_by: Any, arguments: Any) -> Any:
        name = made_by.name if isinstance(made_by, Inert) and made_by.made_from is None else "unknown"
        if name in MAPPINGS and not arguments:
            return {}
        return Inert(name, arguments)

    def reduce(self) -> None:
        made_by, arguments = self.several(2)
        self.push(self.made(made_by, arguments))

    def new_with_keywords(self) -> None:
        made_by, arguments, keywords = self.several(3)
        self.push(self.made(made_by, (arguments, keywords)))

    def build(self) -> None:
        state = self.pop()
        target = self.top()
        if isinstance(target, Inert):
            target.state = state

    def append(self, values: list[Any]) -> None:
        target = self.top()
        if isinstance(target, Inert):
            target.items.extend(values)
        elif isinstance(target, list):
            target.extend(values)
        else:
            raise InertPickleError("items for what holds none")

    def set_items(self, flat: list[Any]) -> None:
        target = self.top()
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        if isinstance(target, Inert):
            target.items.extend(pairs)
        elif isinstance(target, dict):
            for key, value in pairs:  # a key of nested tuples could exhaust the C stack when hashed
                target[key if isinstance(key, _KEYS) else Inert("key", key)] = value
        else:
            raise InertPickleError("keys for what holds none")

    def mapping(self) -> None:
        flat = self.since_mark()
        self.push({})
        self.set_items(flat)

    def found(self) -> None:
        module, name = self.several(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise InertPickleError("a name that is no text")
        self.push(Inert(f"{module}.{name}"))

    def instance(self, name: str) -> None:
        self.push(Inert(name.replace(" ", "."), tuple(self.since_mark())))

    def object(self) -> None:
        made_by, *arguments = self.since_mark()
        self.push(self.made(made_by, tuple(arguments)))


def _pushes(*names: str) -> dict[str, Callable[[_Machine, Any], None]]:
    return dict.fromkeys(names, lambda machine, value: machine.push(value))


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    **_pushes("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    **_pushes("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    **_pushes("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "MARK": lambda machine, _: machine.push(_MARK),
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.discard(),
    "DUP": lambda machine, _: machine.push(machine.top()),
    "GET": lambda machine, place: machine.push(machine.memo[place]),
    "BINGET": lambda machine, place: machine.push(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.push(machine.memo[place]),
    "PUT": lambda machine, place: machine.remember(place),
    "BINPUT": lambda machine, place: machine.remember(place),
    "LONG_BINPUT": lambda machine, place: machine.remember(place),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.push(machine.several(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.several(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.several(3)),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "LIST": lambda machine, _: machine.push(machine.since_mark()),
    "APPEND": lambda machine, _: machine.append([machine.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "EMPTY_SET": lambda machine, _: machine.push([]),
    "FROZENSET": lambda machine, _: machine.push(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.append(machine.since_mark()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "DICT": lambda machine, _: machine.mapping(),
    "SETITEM": lambda machine, _: machine.set_items(list(machine.several(2))),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "GLOBAL": lambda machine, name: machine.push(Inert(name.replace(" ", "."))),
    "STACK_GLOBAL": lambda machine, _: machine.found(),
    "INST": lambda machine, name: machine.instance(name),
    "OBJ": lambda machine, _: machine.object(),
    "REDUCE": lambda machine, _: machine.reduce(),
    "NEWOBJ": lambda machine, _: machine.reduce(),
    "NEWOBJ_EX": lambda machine, _: machine.new_with_keywords(),
    "BUILD": lambda machine, _: machine.build(),
    "PERSID": lambda machine, name: machine.push(Inert("storage", (name,))),
    "BINPERSID": lambda machine, _: machine.push(Inert("storage", machine.pop())),
}

__all__ = ["Inert", "InertPickleError", "read_inert_pickle"]
