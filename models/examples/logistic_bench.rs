//! Fits a logistic regression on raw little-endian f64 files and prints seconds and objective as one line of JSON.
//!
//! `logistic_bench x.f64 y.f64 <rows> <columns> <threads> <penalty> [l1_ratio]`: `x` row by row, `y` 0 or 1.
//! Seconds are those of the fit alone: standardising included, reading the files not.

use std::error::Error;
use std::time::Instant;

use linfa::ParamGuard;
use models::linear::LogisticParams;
use ndarray::{Array1, Array2};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize, name: &str| arguments.get(at).ok_or_else(|| format!("argument {name} is missing"));
    let (rows, columns): (usize, usize) = (argument(2, "rows")?.parse()?, argument(3, "columns")?.parse()?);
    let threads: usize = argument(4, "threads")?.parse()?;
    let penalty: f64 = argument(5, "penalty")?.parse()?;
    let l1_ratio: f64 = arguments.get(6).map_or(Ok(0.0), |text| text.parse())?;
    let x = Array2::from_shape_vec((rows, columns), read(argument(0, "x")?)?)?;
    let y = Array1::from(read(argument(1, "y")?)?);

    let params = LogisticParams::new().penalty(penalty).l1_ratio(l1_ratio).threads(threads).check()?;
    let begin = Instant::now();
    let model = params.fit_arrays(x.view(), y.view(), None, None)?;
    let seconds = begin.elapsed().as_secs_f64();
    let (objective, iterations, converged) = (model.objective(), model.iterations(), model.converged());
    print(&format!(
        "{{\"seconds\": {seconds}, \"objective\": {objective}, \"iterations\": {iterations}, \"converged\": {converged}}}"
    ));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the line is this program's answer")]
fn print(line: &str) {
    println!("{line}");
}

fn read(path: &str) -> Result<Vec<f64>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let (words, rest) = bytes.as_chunks::<8>();
    if rest.is_empty() {
        Ok(words.iter().map(|word| f64::from_le_bytes(*word)).collect())
    } else {
        Err("not f64".into())
    }
}
