"""Operations as machine code of this processor."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

from llvmlite import binding as llvm

from models.compiled.instructions import Cut, Operation
from models.compiled.operations import write

WIDE = Cut(lanes=16, layer_rows=12, cell_rows=6)  # 32 registers of 512 bits: 24 sums, and what they are made of
NARROW = Cut(lanes=8, layer_rows=6, cell_rows=2)  # 16 registers of 256 bits

_RUN = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p if kind == "p" else ctypes.c_int64 for kind in "pipppiip"])
_LOCK = Lock()


@cache
def cut() -> Cut | None:
    """How this processor multiplies; None where it has no product with a sum, or LLVM does not know what it has."""
    try:
        features = llvm.get_host_cpu_features()
    except RuntimeError:  # how llvmlite says so
        return None
    if features.get("avx512f"):
        return WIDE
    return NARROW if features.get("avx2") and features.get("fma") else None


def compiled(cut: Cut, width: int, operations: frozenset[Operation]) -> Callable[..., None]:
    """The function `run` for rows of so many float32 and these operations; compiled once, in a tenth of a second."""
    with _LOCK:
        return _compiled(cut, width, operations)


@cache
def _compiled(cut: Cut, width: int, operations: frozenset[Operation]) -> Callable[..., None]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(write(cut, width, operations)), target)
    engine.finalize_object()
    run: Any = _RUN(engine.get_function_address("run"))
    run.engine = engine  # which owns the code
    return run  # type: ignore[no-any-return]
