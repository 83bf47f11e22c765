"""The pickle inside a file of ``torch.save``, interpreted and never run: a few opcodes, a short list of names.

A pickle is a program. What ``torch.save`` makes of dictionaries of tensors and NumPy arrays needs seven callables;
those are known here by name and stand for arithmetic of our own. Any other name, and any opcode that could do more,
is refused (opcodes: ``pickletools`` of the standard library).
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from connectome.errors import FormatError, UnsafeError

__all__ = ["STORAGES", "interpret"]

Array = np.ndarray[Any, Any]

STORAGES = {
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?", "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2",
}  # fmt: skip
"""Class of the module ``torch`` to the dtype of its items."""
_CALLABLES = frozenset({
    ("torch._utils", "_rebuild_tensor_v2"), ("collections", "OrderedDict"), ("_codecs", "encode"),
    ("numpy", "ndarray"), ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
})  # fmt: skip
_MOST_OPCODES = 1_000_000
_MARK = object()


@dataclass(frozen=True)
class _Name:
    module: str
    name: str


@dataclass
class _Dtype:
    text: str


@dataclass
class _NumpyArray:
    """An array of NumPy; its values come with a later opcode."""

    values: Array | None = None


@dataclass
class _Machine:
    """The stack machine."""

    subject: str
    storage: Callable[[str, str, int], Array]
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)


def interpret(data: bytes, storage: Callable[[str, str, int], Array], *, subject: str) -> Any:
    """Return what a pickle describes.

    Parameters
    ----------
    data : bytes
        The pickle.
    storage : callable
        Gives the items of a storage by its key, dtype and number of items.
    subject : str
        The file, for errors.

    Returns
    -------
    object
        Dictionaries, lists, tuples, numbers, texts and :class:`numpy.ndarray`.

    Raises
    ------
    FormatError
        When the pickle is damaged or larger than any table of splits.
    UnsafeError
        When it names anything else than tensors and arrays.
    """
    machine = _Machine(subject, storage)
    try:
        for count, (opcode, argument, place) in enumerate(pickletools.genops(data)):
            if count > _MOST_OPCODES:
                raise FormatError("more opcodes than a table of splits has", subject=subject)
            if opcode.name == "STOP":
                (result,) = machine.stack
                return _finished(result, machine)
            _step(machine, opcode.name, argument, f"byte {place} of the pickle")
    except (FormatError, UnsafeError):
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise FormatError(
            "the pickle is damaged", subject=subject, found=" ".join(f"{type(error).__name__}: {error}".split())[:200]
        ) from error
    raise FormatError("the pickle has no end", subject=subject)


def _finished(value: Any, machine: _Machine) -> Any:
    """Replace arrays by their values, two levels deep: splits are no deeper."""

    def plain(item: Any) -> Any:
        if isinstance(item, _NumpyArray):
            if item.values is None:
                raise FormatError("an array has no values", subject=machine.subject)
            return item.values
        return item

    if isinstance(value, dict):
        return {
            key: {inner: plain(item) for inner, item in part.items()} if isinstance(part, dict) else plain(part)
            for key, part in value.items()
        }
    return plain(value)


_PLAIN = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_MADE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict, "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple, "MARK": lambda: _MARK,
}  # fmt: skip
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _step(machine: _Machine, name: str, argument: Any, place: str) -> None:  # noqa: C901 - one branch per opcode
    stack = machine.stack
    if name in {"PROTO", "FRAME"}:
        return
    if name in _PLAIN:
        stack.append(argument)
    elif name in _MADE:
        stack.append(_MADE[name]())
    elif name in {"BINPUT", "LONG_BINPUT"}:
        machine.memo[argument] = stack[-1]
    elif name == "MEMOIZE":
        machine.memo[len(machine.memo)] = stack[-1]
    elif name in {"BINGET", "LONG_BINGET"}:
        stack.append(machine.memo[argument])
    elif name in _TUPLES:
        stack[-_TUPLES[name] :] = [tuple(_last(stack, _TUPLES[name]))]
    elif name == "TUPLE":
        stack.append(tuple(_marked(stack)))
    elif name in {"SETITEM", "SETITEMS"}:
        items = _marked(stack) if name == "SETITEMS" else [stack.pop() for _ in range(2)][::-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, int)) or not isinstance(stack[-1], dict):
                raise TypeError("a key that is neither text nor number")
            stack[-1][key] = value
    elif name in {"APPEND", "APPENDS"}:
        items = _marked(stack) if name == "APPENDS" else [stack.pop()]
        if not isinstance(stack[-1], list):
            raise TypeError("items for what is no list")
        stack[-1].extend(items)
    elif name == "GLOBAL":
        module, word = argument.split(" ", 1)
        stack.append(_named(machine, module, word, place))
    elif name == "STACK_GLOBAL":
        word, module = stack.pop(), stack.pop()
        stack.append(_named(machine, module, word, place))
    elif name == "BINPERSID":
        stack.append(_storage(machine, stack.pop()))
    elif name == "REDUCE":
        arguments, called = stack.pop(), stack.pop()
        stack.append(_call(called, arguments))
    elif name == "BUILD":
        state, built = stack.pop(), stack[-1]
        _build(built, state)
    else:
        raise UnsafeError("the pickle does more than describe arrays", subject=machine.subject, place=place, found=name)


def _last(stack: list[Any], count: int) -> list[Any]:
    if len(stack) < count or any(item is _MARK for item in stack[-count:]):
        raise IndexError("the stack is too short")
    return stack[-count:]


def _marked(stack: list[Any]) -> list[Any]:
    at = next(at for at in range(len(stack) - 1, -2, -1) if at < 0 or stack[at] is _MARK)
    if at < 0:
        raise IndexError("no mark on the stack")
    items = stack[at + 1 :]
    del stack[at:]
    return items


def _named(machine: _Machine, module: Any, name: Any, place: str) -> _Name:
    if (module, name) in _CALLABLES or (module == "torch" and name in STORAGES):
        return _Name(module, name)
    raise UnsafeError(
        "the pickle names something else than tensors and arrays", subject=machine.subject, place=place,
        expected="dictionaries of tensors or NumPy arrays", found=f"{module}.{name}"[:200],
    )  # fmt: skip


def _storage(machine: _Machine, about: Any) -> Array:
    word, kind, key, _, count = about
    if word != "storage" or not isinstance(kind, _Name) or not isinstance(key, str) or type(count) is not int:
        raise TypeError("not a storage")
    return machine.storage(key, STORAGES[kind.name], count)


def _call(called: Any, arguments: Any) -> Any:
    if not isinstance(called, _Name):
        raise TypeError("what is called has no name")
    if called.name == "_rebuild_tensor_v2":
        return _tensor(*arguments[:4])
    if called.name == "OrderedDict" and arguments == ():
        return {}
    if called.name == "encode" and len(arguments) == 2 and arguments[1] == "latin1":
        return arguments[0].encode("latin1")
    if called.name == "dtype":
        return _Dtype(str(arguments[0]))
    if called.name == "_reconstruct" and arguments[0] == _Name("numpy", "ndarray"):
        return _NumpyArray()
    raise TypeError(f"{called.name} with other arguments")


def _tensor(items: Any, offset: Any, size: Any, stride: Any) -> Array:
    if not isinstance(items, np.ndarray) or len(size) != len(stride):
        raise TypeError("not a tensor")
    if any(type(number) is not int or number < 0 for number in (offset, *size, *stride)):
        raise ValueError("sizes of a tensor below 0")
    count = int(np.prod(np.array(size, dtype=object))) if size else 1
    reach = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True)) if count else 0
    # A view that repeats items could be of any size.
    if count > len(items) or (count and reach >= len(items)):
        raise ValueError(f"a tensor of {count} items in a storage of {len(items)}")
    if not count:
        return np.empty(size, dtype=items.dtype)
    index = np.full(size, offset, dtype=np.int64)
    for axis, step in enumerate(stride):
        shape = [1] * len(size)
        shape[axis] = size[axis]
        index += (np.arange(size[axis], dtype=np.int64) * step).reshape(shape)
    return np.asarray(items[index])


def _build(built: Any, state: Any) -> None:
    if isinstance(built, _Dtype):
        if state[1] not in {"<", "|", "="}:
            raise ValueError("another byte order")
    elif isinstance(built, _NumpyArray):
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            raise TypeError("not the values of an array")
        kind = np.dtype(dtype.text)
        if kind.kind not in "biuf":
            raise TypeError(f"an array of {kind}")
        built.values = np.frombuffer(raw, dtype=kind).reshape(shape, order="F" if fortran else "C").copy()
    else:
        raise TypeError("a state for what is no array")
