//! The error of a single product in each format, ours and ggml's, against sums in f64 over the weights as the format
//! means them.

use std::path::Path;

use bizra_kernels::{Format, Level, Matrix, Pool, dequantize, matmul, quant};

use crate::models::noise;
use crate::tools::{self, Outcome};

const ROWS: usize = 256;
const COLS: usize = 2048;
const COUNT: usize = 16;

pub(super) struct Errors {
    pub(super) format: Format,
    pub(super) ours: f64,
    pub(super) theirs: Option<f64>,
}

/// `program` is built from `xtask/peers/llama.cpp`.
pub(super) fn errors(program: Option<&Path>, home: &Path) -> Outcome<Vec<Errors>> {
    Format::ALL.into_iter().map(|format| error(format, program, home)).collect()
}

fn error(format: Format, program: Option<&Path>, home: &Path) -> Outcome<Errors> {
    let told = |cause: bizra_kernels::Error| format!("{format}: {cause}");
    let (values, input) = (noise(0, ROWS * COLS), noise(1, COUNT * COLS));
    let mut weights = vec![0; format.bytes(values.len()).map_err(told)?];
    quant::quantize(format, &values, &mut weights).map_err(told)?;
    let mut meant = vec![0.0; values.len()];
    dequantize(format, &weights, &mut meant).map_err(told)?;
    let exact: Vec<f64> = input
        .chunks_exact(COLS)
        .flat_map(|x| meant.chunks_exact(COLS).map(|w| dot(w, x)).collect::<Vec<_>>())
        .collect();
    let matrix = Matrix::new(format, ROWS, COLS, &weights).map_err(told)?;
    let mut found = vec![0.0; exact.len()];
    matmul(&Pool::new(1), Level::best(), &matrix, &input, &mut found).map_err(told)?;
    let ours = relative(&found, &exact);
    let Some(program) = program else { return Ok(Errors { format, ours, theirs: None }) };
    let (weights_at, input_at) = (home.join("product.weights"), home.join("product.input"));
    tools::write_file(&weights_at, &weights)?;
    tools::write_file(&input_at, &input.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())?;
    let mut command = tools::command(program);
    command.args(["product", &format.ggml_type().to_string()]);
    command.args([ROWS, COLS, COUNT].map(|n| n.to_string())).arg(&weights_at).arg(&input_at);
    let output = command.output().map_err(|cause| format!("cannot start `{}`: {cause}", tools::typed(&command)))?;
    for path in [&weights_at, &input_at] {
        std::fs::remove_file(path).map_err(|cause| format!("cannot remove {}: {cause}", path.display()))?;
    }
    let theirs: Vec<f32> = output.stdout.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if !output.status.success() || theirs.len() != exact.len() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("`{}` ended with {}\n{said}", tools::typed(&command), output.status));
    }
    Ok(Errors { format, ours, theirs: Some(relative(&theirs, &exact)) })
}

fn dot(w: &[f32], x: &[f32]) -> f64 {
    w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum()
}

/// The root of the mean square of the differences, relative to that of the exact values.
fn relative(found: &[f32], exact: &[f64]) -> f64 {
    bizra::infer::conformance_lm::relative_error(found, exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_formats_have_hardly_an_error_and_eight_bits_of_activations_a_small_one() {
        let error = |format| error(format, None, Path::new("")).expect("computed").ours;
        assert!(error(Format::F32) < 1e-6, "{}", error(Format::F32));
        assert!((1e-4..2e-2).contains(&error(Format::Q8_0)), "{}", error(Format::Q8_0));
    }
}
