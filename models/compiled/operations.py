"""The operations that programs consist of, as code for blocks of windows.

Each window of a block has one row of the scratch memory, in which operations read and write at fixed places. What an
output of a layer adds up, and in which order, does not depend on the windows beside it in a register or in the block:
so scores are the same to the bit for any batching.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from llvmlite import ir

from models.compiled.emitter import (
    FLOAT,
    INT,
    POINTER,
    VOID,
    Emitter,
    Value,
    integer,
    least,
    prefetch,
    tanh_parts,
    total,
)
from models.compiled.instructions import BLOCK, INSTRUCTION, PIECE, Cut, Operation


class _Writing(Emitter):
    """One operation under construction: a function of (instruction, scratch, constants, rows, windows, scores).

    `windows` and `scores` begin with the block, which has so many rows.
    """

    def __init__(self, module: ir.Module, cut: Cut, width: int, name: str) -> None:
        kinds = [POINTER, POINTER, POINTER, INT, POINTER, POINTER]
        function = ir.Function(module, ir.FunctionType(VOID, kinds), name)
        function.linkage = "internal"
        super().__init__(function, cut.lanes)
        self.function, self.cut, self.width = function, cut, width
        self.instruction, self.scratch, self.constants, self.rows, self.windows, self.scores = function.args

    def arguments(self, count: int) -> list[Value]:
        """The first so many of the instruction."""
        return [self.integer_at(self.instruction, 1 + number) for number in range(count)]

    def row(self, index: Value) -> Value:
        """Where a row of the scratch memory begins."""
        return self.place(self.scratch, self.builder.mul(index, integer(self.width)))

    def groups(self, rows: int, body: Callable[[Value, int], None]) -> None:
        """`body(row, rows)` with where the first of every so many rows begins, then for each that is left by itself."""
        b, each = self.builder, integer(rows)
        whole = b.sdiv(self.rows, each)
        done = b.mul(whole, each)
        self.each(whole, lambda index: body(self.row(b.mul(index, each)), rows))
        self.each(b.sub(self.rows, done), lambda index: body(self.row(b.add(done, index)), 1))

    def products(self, sums: Sequence[Value], x: Value, weights: Value, count: Value, rows: int) -> list[Value]:
        """Adds to the sums, (rows, vectors): so many numbers at x of each row times as many (vectors) of weights."""
        vectors = len(sums) // rows

        def add(index: Value, carried: Sequence[Value]) -> Sequence[Value]:
            column = self.place(x, index)
            first = self.place(weights, self.builder.mul(index, integer(vectors * self.lanes)))
            factors = [self.load(self.place(first, v * self.lanes)) for v in range(vectors)]
            found = []
            for row in range(rows):
                number = self.spread(self.load(self.place(column, row * self.width), FLOAT))
                found += [self.fma(number, factors[v], carried[row * vectors + v]) for v in range(vectors)]
            return found

        return self.loop(count, add, sums)


def write(cut: Cut, width: int, operations: Collection[Operation]) -> str:
    """LLVM's text of a function `run` that works off programs of these operations, whose rows have `width` float32."""
    module = ir.Module("operations")
    writers = {Operation.LOAD: _load, Operation.LAYER: _layer, Operation.CELL: _cell, Operation.ERROR: _error}
    functions = {}
    for operation in sorted(operations):
        writing = _Writing(module, cut, width, operation.name.lower())
        writers[operation](writing)
        writing.builder.ret_void()
        functions[operation] = writing.function
    _run(module, cut, functions)
    return str(module)


def _load(w: _Writing) -> None:
    """Windows, scaled: (pieces, how many, centre, inverse of the scale, cells of a window)."""
    b, lanes = w.builder, integer(w.lanes)
    pieces, count, centre, inverse, cells = w.arguments(5)
    ahead = b.mul(cells, integer(BLOCK))  # to the next block

    def scale(source: Value, row: Value, to: Value, kind: Any = None) -> None:
        apart = b.fsub(w.load(source, kind), w.load(w.place(w.constants, centre, to), kind))
        w.store(b.fmul(apart, w.load(w.place(w.constants, inverse, to), kind)), w.place(row, to))

    def copy(piece: Value, window: Value, row: Value) -> None:
        first = b.add(pieces, b.mul(piece, integer(PIECE)))
        start, to, length = (w.integer_at(w.instruction, b.add(first, integer(number))) for number in range(PIECE))
        source, vectors = w.place(window, start), b.sdiv(b.add(length, integer(w.lanes - 1)), lanes)
        short, last = b.icmp_signed("<", length, lanes), b.sub(length, lanes)

        def number(index: Value) -> None:
            scale(w.place(source, index), row, b.add(to, index), FLOAT)

        def vector(index: Value) -> None:
            at = least(w, b.mul(index, lanes), last)  # the last one begins earlier, and repeats some
            scale(w.place(source, at), row, b.add(to, at))
            prefetch(w, w.place(source, at, ahead))

        w.each(b.select(short, integer(0), vectors), vector)
        w.each(b.select(short, length, integer(0)), number)

    def window(index: Value) -> None:
        given, row = w.place(w.windows, b.mul(index, cells)), w.row(index)
        w.each(count, lambda piece: copy(piece, given, row))

    w.each(w.rows, window)


def _layer(w: _Writing) -> None:
    """y = x W + b, or its tanh: (x, y, inputs, W, b, pairs of vectors, vectors after them, 1 for tanh)."""
    b, lanes = w.builder, w.lanes
    x, y, inputs, weights, bias, pairs, single, bent = w.arguments(8)
    pair = integer(2 * lanes)

    def product(columns: Value, vectors: int) -> None:
        offsets = [b.add(columns, integer(v * lanes)) for v in range(vectors)]
        start = [w.load(w.place(w.constants, bias, offset)) for offset in offsets]
        factors = w.place(w.constants, weights, b.mul(columns, inputs))

        def group(row: Value, rows: int) -> None:
            sums = w.products(start * rows, w.place(row, x), factors, inputs, rows)
            to = w.place(row, y, columns)
            places = [(r, v * lanes) for r in range(rows) for v in range(vectors)]
            for found, (r, v) in zip(sums, places, strict=True):
                w.store(found, w.place(to, r * w.width + v))

            def bend(r: Value) -> None:
                line = w.place(to, b.mul(r, integer(w.width)))
                for at in [w.place(line, v * lanes) for v in range(vectors)]:
                    w.store(b.fdiv(*tanh_parts(w, w.load(at))), at)

            w.each(b.mul(bent, integer(rows)), bend)

        w.groups(w.cut.layer_rows, group)

    w.each(pairs, lambda index: product(b.mul(index, pair), 2))
    w.each(single, lambda _: product(b.mul(pairs, pair), 1))


def _cell(w: _Writing) -> None:
    """A step of an LSTM: (x, inputs, state, units read of it, new state, memory, weights, base, 1 if the base is in the
    row, vectors of units, weights of each of them, 1 for the first step, where four vectors may be kept).

    The base is what the sums of the gates begin with. For each vector of units weights and base are those of the gates
    i, f, g and o; of i, f and o they are halved, as sigmoid(z) = (1 + tanh(z / 2)) / 2.
    """  # fmt: skip
    b, lanes = w.builder, w.lanes
    x, inputs, state, read, new, memory, weights, base, own, vectors, size, first, gates = w.arguments(13)
    own, first = (b.icmp_signed("!=", flag, integer(0)) for flag in (own, first))

    def units(number: Value) -> None:
        factors = w.place(w.constants, weights, b.mul(number, size))
        of_state = w.place(factors, b.mul(inputs, integer(4 * lanes)))

        def group(row: Value, rows: int) -> None:
            start = w.place(b.select(own, row, w.constants), base, b.mul(number, integer(4 * lanes)))
            stride = b.select(own, integer(w.width), integer(0))
            lines = [w.place(start, b.mul(stride, integer(r))) for r in range(rows)]
            sums = [w.load(w.place(line, v * lanes)) for line in lines for v in range(4)]
            sums = w.products(sums, w.place(row, x), factors, inputs, rows)
            sums = w.products(sums, w.place(row, state), of_state, read, rows)
            for place, found in enumerate(sums):
                w.store(found, w.place(row, gates, place // 4 * w.width + place % 4 * lanes))

            def step(r: Value) -> None:
                line = w.place(row, b.mul(r, integer(w.width)))
                found = [w.load(w.place(line, gates, v * lanes)) for v in range(4)]
                units = w.place(line, b.mul(number, integer(lanes)))
                _gates(w, found, (w.place(units, memory), w.place(units, new)), first)

            w.each(integer(rows), step)

        w.groups(w.cut.cell_rows, group)

    w.each(vectors, units)


def _gates(w: _Writing, sums: Sequence[Value], places: tuple[Value, Value], first: Value) -> None:
    """Memory and state after a step at their places, with one division for each instead of five."""
    b, two = w.builder, w.constant(2.0)
    (pi, qi), (pf, qf), (pg, qg), (po, qo) = (tanh_parts(w, found) for found in sums)
    at_memory, at_state = places
    before = b.select(first, w.constant(0.0), w.load(at_memory))
    written = b.fmul(qi, qg)
    kept = b.fmul(b.fmul(b.fadd(pf, qf), before), written)
    memory = b.fdiv(w.fma(b.fmul(b.fadd(pi, qi), pg), qf, kept), b.fmul(b.fmul(two, qf), written))
    w.store(memory, at_memory)
    pm, qm = tanh_parts(w, memory)
    w.store(b.fdiv(b.fmul(b.fadd(po, qo), pm), b.fmul(b.fmul(two, qo), qm)), at_state)


def _error(w: _Writing) -> None:
    """Scores: the root of the mean square of x - y: (x, y, factors of 0 or 1, vectors, 1 / cells)."""
    b = w.builder
    x, y, counted, vectors, share = w.arguments(5)

    def window(index: Value) -> None:
        row = w.row(index)

        def add(number: Value, carried: Sequence[Value]) -> Sequence[Value]:
            at = b.mul(number, integer(w.lanes))
            apart = b.fsub(w.load(w.place(row, x, at)), w.load(w.place(row, y, at)))
            apart = b.fmul(apart, w.load(w.place(w.constants, counted, at)))
            return [w.fma(apart, apart, carried[0])]

        (squares,) = w.loop(vectors, add, [w.constant(0.0)])
        mean = b.fmul(total(w, squares), w.load(w.place(w.constants, share), FLOAT))
        w.store(w.intrinsic("llvm.sqrt", mean), w.place(w.scores, index))

    w.each(w.rows, window)


def _run(module: ir.Module, cut: Cut, functions: dict[Operation, Any]) -> None:
    """run(program, instructions, scratch, constants, windows, cells of each, how many, scores), block after block."""
    kinds = [POINTER, INT, POINTER, POINTER, POINTER, INT, INT, POINTER]
    e = Emitter(ir.Function(module, ir.FunctionType(VOID, kinds), "run"), cut.lanes)
    b = e.builder
    program, instructions, scratch, constants, windows, cells, count, scores = b.function.args
    block = integer(BLOCK)

    def part(number: Value) -> None:
        start = b.mul(number, block)
        rows = least(e, b.sub(count, start), block)
        given = [scratch, constants, rows, e.place(windows, b.mul(start, cells)), e.place(scores, start)]

        def operate(at: Value) -> None:
            instruction = b.gep(program, [b.mul(at, integer(INSTRUCTION))], source_etype=INT)
            done = b.append_basic_block()
            switch = b.switch(e.integer_at(instruction, 0), done)
            for operation, called in functions.items():
                case = b.append_basic_block()
                switch.add_case(integer(operation.value), case)
                b.position_at_end(case)
                b.call(called, [instruction, *given])
                b.branch(done)
            b.position_at_end(done)

        e.each(instructions, operate)

    e.each(b.sdiv(b.add(count, integer(BLOCK - 1)), block), part)
    b.ret_void()
