"""Instructions for vectors of float32, and loops: what `operations` are written with, by llvmlite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

FLOAT, INT, SHORT = ir.FloatType(), ir.IntType(64), ir.IntType(32)
POINTER = ir.PointerType()
VOID = ir.VoidType()

# tanh(x) is x P(x^2) / Q(x^2) up to `LARGEST`, and 1 beyond, to 4e-7; the coefficients are those of Eigen and of ONNX
# Runtime, highest power first.
LARGEST = 9.0
P = (-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08, 1.48572235717979e-05,
     6.37261928875436e-04, 4.89352455891786e-03)  # fmt: skip
Q = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)

Value = Any  # llvmlite has no types
Body = Callable[[Value, Sequence[Value]], Sequence[Value]]


def integer(number: int) -> Value:
    """A whole number."""
    return ir.Constant(INT, number)


class Emitter:
    """Writes one function. `lanes` is how many float32 a vector has."""

    def __init__(self, function: Any, lanes: int) -> None:
        self.builder = ir.IRBuilder(function.append_basic_block())
        self.lanes = lanes
        self.vector = ir.VectorType(FLOAT, lanes)
        self._module = function.module

    def constant(self, number: float) -> Value:
        """A vector of one number."""
        found = ir.FormattedConstant(self.vector, "")
        found.constant = f"splat ({ir.Constant(FLOAT, number)})"  # which is read faster than a list of all
        return found

    def place(self, base: Value, *offsets: Value | int) -> Value:
        """The address so many float32 behind another."""
        for offset in offsets:
            index = integer(offset) if isinstance(offset, int) else offset
            base = self.builder.gep(base, [index], source_etype=FLOAT)
        return base

    def load(self, place: Value, kind: Any = None) -> Value:
        """The vector at an address, or the number with `FLOAT`."""
        return self.builder.load(place, align=4, typ=kind or self.vector)

    def integer_at(self, base: Value, index: Value | int) -> Value:
        """The int64 so many behind an address."""
        at = integer(index) if isinstance(index, int) else index
        return self.builder.load(self.builder.gep(base, [at], source_etype=INT), typ=INT)

    def store(self, value: Value, place: Value) -> None:
        """A vector or a number to an address."""
        self.builder.store(value, place, align=4)

    def spread(self, number: Value) -> Value:
        """A vector of one float32."""
        nothing = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(nothing, number, ir.Constant(SHORT, 0))
        first = ir.Constant(ir.VectorType(SHORT, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, nothing, first)

    def intrinsic(self, name: str, *given: Value) -> Value:
        """The result of an instruction that LLVM knows by name, for vectors or for numbers."""
        kind = given[0].type
        full = f"{name}.f32" if kind == FLOAT else f"{name}.v{self.lanes}f32"
        function = self._module.globals.get(full)
        if function is None:
            function = ir.Function(self._module, ir.FunctionType(kind, [kind] * len(given)), full)
        return self.builder.call(function, given)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a * b + c, rounded once."""
        return self.intrinsic("llvm.fma", a, b, c)

    def loop(self, count: Value, body: Body, carried: Sequence[Value] = ()) -> list[Value]:
        """`body(i, values)` for i from 0 up to `count`, each with what the one before gave; what the last one gave."""
        b, none = self.builder, integer(0)
        before, inside, after = b.block, b.append_basic_block(), b.append_basic_block()
        b.cbranch(b.icmp_signed(">", count, none), inside, after)
        b.position_at_end(inside)
        index, *values = [b.phi(value.type) for value in (none, *carried)]
        found = body(index, values)
        following = b.add(index, integer(1))
        end = b.block
        b.cbranch(b.icmp_signed("<", following, count), inside, after)
        b.position_at_end(after)
        left = [b.phi(value.type) for value in carried]
        for phi, first, later in zip([index, *values, *left], [none, *carried, *carried], [following, *found, *found],
                                     strict=True):  # fmt: skip
            phi.add_incoming(first, before)
            phi.add_incoming(later, end)
        return left

    def each(self, count: Value, body: Callable[[Value], None]) -> None:
        """`body(i)` for i from 0 up to `count`."""

        def nothing(index: Value, _: Sequence[Value]) -> Sequence[Value]:
            body(index)
            return ()

        self.loop(count, nothing)


def tanh_parts(e: Emitter, x: Value) -> tuple[Value, Value]:
    """Numerator and denominator of the hyperbolic tangent. Of NaN they are those of `LARGEST`."""
    b = e.builder
    for sign, bound in (("<", e.constant(LARGEST)), (">", e.constant(-LARGEST))):
        x = b.select(b.fcmp_ordered(sign, x, bound), x, bound)
    square = b.fmul(x, x)
    over, under = (_polynomial(e, square, terms) for terms in (P, Q))
    return b.fmul(over, x), under


def _polynomial(e: Emitter, x: Value, terms: Sequence[float]) -> Value:
    found = e.constant(terms[0])
    for term in terms[1:]:
        found = e.fma(found, x, e.constant(term))
    return found


def total(e: Emitter, vector: Value) -> Value:
    """The sum of a vector's numbers, in pairs."""
    b, lanes = e.builder, e.lanes
    while lanes > 1:
        lanes //= 2
        kind = ir.VectorType(SHORT, lanes)
        low, high = (
            b.shuffle_vector(vector, vector, ir.Constant(kind, list(range(start, start + lanes))))
            for start in (0, lanes)
        )
        vector = b.fadd(low, high)
    return b.extract_element(vector, ir.Constant(SHORT, 0))


def prefetch(e: Emitter, place: Value) -> None:
    """Ask for the line of an address, which need not be one, while others are computed with."""
    kinds = [POINTER, SHORT, SHORT, SHORT]
    name, module = "llvm.prefetch.p0", e.builder.module
    function = module.globals.get(name) or ir.Function(module, ir.FunctionType(VOID, kinds), name)
    e.builder.call(function, [place, *(ir.Constant(SHORT, number) for number in (0, 2, 1))])  # to read, near, data


def least(e: Emitter, one: Value, other: Value) -> Value:
    """The smaller of two whole numbers."""
    return e.builder.select(e.builder.icmp_signed("<", one, other), one, other)
