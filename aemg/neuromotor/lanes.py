"""Short vectors of float64 for numba kernels: the same computation on many problems at once, one problem per lane.

Inside a jitted function `load` and `store` move one row of a C-contiguous (rows, LANES) float64 array; +, -, *, / and
the functions below act lane by lane, in the same way whatever the other lanes hold.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba.extending
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import models, overload, register_model
from numba.np.arrayobj import make_array

LANES = 8
VECTOR = ir.VectorType(ir.DoubleType(), LANES)
# called with one argument fewer than what it decorates takes
intrinsic: Callable[[Callable[..., Any]], Any] = numba.extending.intrinsic


class Lanes(types.Type):
    """Numba's type of one row of lanes."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes({LANES})")


lanes = Lanes()


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """A row of lanes is one machine vector."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)  # type: ignore[no-untyped-call]


def _address(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    data = make_array(array_type)(context, builder, array).data  # type: ignore[no-untyped-call]
    first = builder.mul(row, ir.Constant(row.type, LANES))
    return builder.bitcast(builder.gep(data, [first]), VECTOR.as_pointer())


@intrinsic
def load(_: Any, array: Any, row: Any) -> Any:
    """Row `row` of `array`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], values[0], values[1]), align=8)

    return lanes(array, types.intp), generate


@intrinsic
def store(_: Any, array: Any, row: Any, value: Any) -> Any:
    """Write `value` to row `row` of `array`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], _address(context, builder, signature.args[0], values[0], values[1]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic
def splat(_: Any, value: Any) -> Any:
    """`value` (float64) in every lane."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), values[0], ir.Constant(ir.IntType(32), 0))
        order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, ir.Constant(VECTOR, ir.Undefined), order)

    return lanes(types.float64), generate


@intrinsic
def where_less(_: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """x where a < b, else y."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", values[0], values[1]), values[2], values[3])

    return lanes(lanes, lanes, lanes, lanes), generate


def _machine(name: str, result: Any) -> Any:
    """LLVM's function of that name, from a row of lanes to a row or a number."""

    @intrinsic
    def function(_: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = ir.FunctionType(context.get_value_type(result), [VECTOR])
            callee = get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f64")  # type: ignore[no-untyped-call]
            return builder.call(callee, values)

        return result(lanes), generate

    return function


square_root = _machine("sqrt", lanes)
absolute = _machine("fabs", lanes)
logarithm = _machine("log", lanes)
smallest = _machine("vector.reduce.fmin", types.float64)
largest = _machine("vector.reduce.fmax", types.float64)


def _operator(python: Callable[[Any, Any], Any], instruction: str) -> None:
    @intrinsic
    def function(_: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return getattr(builder, instruction)(*values, flags=("contract",))

        return lanes(lanes, lanes), generate

    @overload(python)
    def overloaded(a: Any, b: Any) -> Any:
        def call(a: Any, b: Any) -> Any:
            return function(a, b)

        return call if isinstance(a, Lanes) and isinstance(b, Lanes) else None


for _python, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _operator(_python, _instruction)
