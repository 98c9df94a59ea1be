//! Rotary positions.

use super::{Specimen, declare};
use crate::call::Invocation;
use crate::call::abi::Status;

/// What of the rotation a kernel does its own way.
#[derive(Clone, Copy)]
struct Way {
    halves: fn(bool) -> bool,
    /// Position, pair, width that turns, base: the angle.
    angle: fn(i64, usize, usize, f64) -> f64,
    /// The first of so many dimensions that isn't turned.
    end: fn(usize, usize) -> usize,
    position: fn(i64, usize) -> i64,
}

const RIGHT: Way = Way {
    halves: |halves| halves,
    angle: |position, pair, dims, base| position as f64 * base.powf(-2.0 * pair as f64 / dims as f64),
    end: |dims, _| dims,
    position: |first, row| first + row as i64,
};

fn rotate(call: &mut Invocation<'_>, way: Way) -> Result<(), Status> {
    let x = call.input(0)?;
    let [rows, heads, dim] = x.shape()?;
    let x = x.f32()?;
    let (base, first) = (call.float("base")?, call.integer("first")?);
    let dims = usize::try_from(call.integer("dims")?).map_err(|_| Status::Unsupported)?;
    let halves = (way.halves)(call.integer("halves")? != 0);
    let out = call.output_f32(0)?;
    out.copy_from_slice(x);
    let turned = (way.end)(dims, dim);
    for row in 0..rows {
        for pair in 0..turned / 2 {
            let (a, b) = if halves { (pair, pair + turned / 2) } else { (2 * pair, 2 * pair + 1) };
            let (sin, cos) = (way.angle)((way.position)(first, row), pair, turned, base).sin_cos();
            for head in 0..heads {
                let at = (row * heads + head) * dim;
                let (u, v) = (f64::from(x[at + a]), f64::from(x[at + b]));
                out[at + a] = (u * cos - v * sin) as f32;
                out[at + b] = (u * sin + v * cos) as f32;
            }
        }
    }
    Ok(())
}

pub(super) const SPECIMENS: &[Specimen] = declare! {
    honest Rope "rope-double" "turns in f64" => |call| rotate(call, RIGHT);
    wrong Rope "rope-layout" "pairs neighbours where halves are asked for, and the other way round" =>
        |call| rotate(call, Way { halves: |halves| !halves, ..RIGHT });
    wrong Rope "rope-backwards" "turns the other way" => |call| rotate(call, Way {
        angle: |position, pair, dims, base| -(position as f64) * base.powf(-2.0 * pair as f64 / dims as f64),
        ..RIGHT
    });
    wrong Rope "rope-from-zero" "counts positions from zero, whatever it is told" =>
        |call| rotate(call, Way { position: |_, row| row as i64, ..RIGHT });
    wrong Rope "rope-whole-width" "turns all dimensions where it is told to turn some" =>
        |call| rotate(call, Way { end: |_, dim| dim & !1, ..RIGHT });
    wrong Rope "rope-half-angles" "keeps its angles in half precision" => |call| rotate(call, Way {
        angle: |position, pair, dims, base| {
            half::f16::from_f64(position as f64 * base.powf(-2.0 * pair as f64 / dims as f64)).to_f64()
        },
        ..RIGHT
    });
    wrong Rope "rope-own-base" "turns by a base of 10000, whatever it is told" => |call| rotate(call, Way {
        angle: |position, pair, dims, _| position as f64 * 10000f64.powf(-2.0 * pair as f64 / dims as f64),
        ..RIGHT
    });
};
