# Root-mean-square normalisation of rows in Triton: a program ROWS rows.
import triton
import triton.language as tl

ROWS = tl.constexpr(16)
COLS = tl.constexpr(256)


@triton.jit
def rmsnorm(x, w, y, rows, cols, x_stride, y_stride, eps):
    for first in range(tl.program_id(0) * ROWS, rows, tl.num_programs(0) * ROWS):
        row = first + tl.arange(0, ROWS)[:, None]
        read = x + row.to(tl.int64) * x_stride
        written = y + row.to(tl.int64) * y_stride
        squares = tl.zeros([ROWS, 1], tl.float32)
        for base in range(0, cols, COLS):
            col = base + tl.arange(0, COLS)[None, :]
            value = tl.load(read + col, mask=(row < rows) & (col < cols), other=0.0)
            squares += tl.sum(value * value, 1, keep_dims=True)
        factor = 1.0 / tl.sqrt_rn(squares / cols + eps)
        for base in range(0, cols, COLS):
            col = base + tl.arange(0, COLS)[None, :]
            there = (row < rows) & (col < cols)
            value = tl.load(read + col, mask=there, other=0.0)
            weight = tl.load(w + col, mask=col < cols, other=0.0)
            tl.store(written + col, value * factor * weight, mask=there)
