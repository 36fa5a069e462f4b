"""A product with a small matrix by vectors of eight numbers.

The compiler makes vector code of loops over many numbers. Over the 6 to 22 nodes of a window it does not: most of a
product with A then runs number by number, in twice the time (`bench/test_march.py`, product).
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["LANES", "rows_of_product"]

# Numbers in a vector: one register of AVX-512, two of AVX2; the compiler splits it where registers are smaller.
LANES = 8


@intrinsic
def rows_of_product(typingctx, transposed, K, k, at, total):
    """total[at : at + 8] = rows `at` to `at` + 7 of A K[:, k]; transposed (s, m) : of A, m >= at + 8; K (s, n).

    Two sums, of even and of odd columns: one addition does not wait for the one before.
    """

    def codegen(context, builder, signature, args):
        arrays = [
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args, args, strict=True)
            if isinstance(kind, types.Array)
        ]
        table, slopes, out = arrays
        column, first = args[2], args[3]
        vector = ir.VectorType(ir.DoubleType(), LANES)
        index = ir.IntType(32)
        undefined = ir.Constant(vector, ir.Undefined)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f64"
        )
        s, n = (builder.extract_value(slopes.shape, axis) for axis in range(2))
        width = builder.extract_value(table.shape, 1)
        one, two = (ir.Constant(s.type, value) for value in (1, 2))
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES)) for _ in range(2)]

        def add(j, into):
            row = builder.gep(table.data, [builder.add(builder.mul(j, width), first)])
            row = builder.load(builder.bitcast(row, vector.as_pointer()), align=8)
            slope = builder.load(builder.gep(slopes.data, [builder.add(builder.mul(j, n), column)]))
            slope = builder.insert_element(undefined, slope, ir.Constant(index, 0))
            slope = builder.shuffle_vector(slope, undefined, ir.Constant(ir.VectorType(index, LANES), [0] * LANES))
            builder.store(builder.call(fma, [slope, row, builder.load(into)]), into)

        with cgutils.for_range(builder, builder.udiv(s, two)) as loop:
            j = builder.mul(loop.index, two)
            add(j, sums[0])
            add(builder.add(j, one), sums[1])
        with builder.if_then(builder.icmp_unsigned("==", builder.and_(s, one), one)):
            add(builder.sub(s, one), sums[0])
        target = builder.bitcast(builder.gep(out.data, [first]), vector.as_pointer())
        builder.store(builder.fadd(*(builder.load(part) for part in sums)), target, align=8)
        return context.get_dummy_value()

    return types.void(transposed, K, k, at, total), codegen
