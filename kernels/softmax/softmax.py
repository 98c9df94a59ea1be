# Softmax of rows in Triton: a program ROWS rows, three passes over them. A NaN gives NaN in all of its row, through the sum.
import triton
import triton.language as tl

ROWS = tl.constexpr(16)
COLS = tl.constexpr(256)


@triton.jit
def softmax(x, y, rows, cols, x_stride, y_stride, eps):
    for first in range(tl.program_id(0) * ROWS, rows, tl.num_programs(0) * ROWS):
        row = first + tl.arange(0, ROWS)[:, None]
        read = x + row.to(tl.int64) * x_stride
        written = y + row.to(tl.int64) * y_stride
        most = tl.full([ROWS, 1], float("-inf"), tl.float32)
        for base in range(0, cols, COLS):
            col = base + tl.arange(0, COLS)[None, :]
            value = tl.load(read + col, mask=(row < rows) & (col < cols), other=float("-inf"))
            most = tl.maximum(most, tl.max(value, 1, keep_dims=True))
        total = tl.zeros([ROWS, 1], tl.float32)
        for base in range(0, cols, COLS):
            col = base + tl.arange(0, COLS)[None, :]
            there = (row < rows) & (col < cols)
            value = tl.load(read + col, mask=there, other=0.0)
            total += tl.sum(tl.where(there, tl.exp(value - most), 0.0), 1, keep_dims=True)
        for base in range(0, cols, COLS):
            col = base + tl.arange(0, COLS)[None, :]
            there = (row < rows) & (col < cols)
            value = tl.load(read + col, mask=there, other=0.0)
            tl.store(written + col, tl.exp(value - most) / total, mask=there)
