//! What `tests/bench/quality.py` measures: probabilities of rows by recipes that had not learnt from them.
//!
//! `quality <table.json> <threads> <recipe>...`; the answer is a line of JSON a recipe. The table has `columns` (name and
//! `numbers` or `text`), `target`, and `folds`: for each seed the fold of each row.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use models::recipe::{Frame, Recipe, Training, fit};
use serde::Deserialize;
use serde_json::json;

type Answer<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Deserialize)]
struct Table {
    columns: Vec<Column>,
    target: Vec<f64>,
    folds: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(default)]
    numbers: Vec<Option<f64>>,
    #[serde(default)]
    text: Vec<Option<String>>,
}

impl Table {
    fn frame(&self) -> Answer<Frame> {
        let mut frame = Frame::new(self.target.len());
        for Column { name, numbers, text } in &self.columns {
            if text.is_empty() {
                frame.numbers(name, numbers.iter().map(|value| value.unwrap_or(f64::NAN)).collect())?;
            } else {
                frame.text(name, text.iter().map(Option::as_deref))?;
            }
        }
        Ok(frame)
    }
}

/// The rows of one fold of one seed, and their probabilities.
type Scored = Answer<(usize, Vec<(usize, f64)>)>;

fn scored(table: &Table, frame: &Frame, recipe: &Recipe, place: (usize, usize)) -> Scored {
    let (seed, fold) = place;
    let of = table.folds.get(seed).ok_or("no such seed")?;
    let rows = |inside: bool| -> Vec<usize> {
        of.iter().enumerate().filter(|(_, found)| (**found == fold) == inside).map(|(row, _)| row).collect()
    };
    let (train, test) = (rows(false), rows(true));
    let target: Vec<f64> = train.iter().filter_map(|row| table.target.get(*row).copied()).collect();
    let model = fit(recipe, &Training::new(&frame.select(&train), &target).seed(seed as u64))?;
    Ok((seed, test.iter().copied().zip(model.score(&frame.select(&test))?.values).collect()))
}

fn probabilities(table: &Table, frame: &Frame, recipe: &Recipe, threads: usize) -> Answer<Vec<Vec<f64>>> {
    let folds = table.folds.iter().flatten().max().map_or(0, |last| last + 1);
    let places: Vec<(usize, usize)> =
        (0..table.folds.len()).flat_map(|seed| (0..folds).map(move |fold| (seed, fold))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(scored(table, frame, recipe, *place));
        }
        done
    };
    let parts: Vec<Scored> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        others.into_iter().for_each(|other| all.extend(other.join().unwrap_or_default()));
        all
    });
    let mut found = vec![vec![f64::NAN; table.target.len()]; table.folds.len()];
    for part in parts {
        let (seed, rows) = part?;
        for (row, value) in rows {
            if let Some(slot) = found.get_mut(seed).and_then(|values| values.get_mut(row)) {
                *slot = value;
            }
        }
    }
    Ok(found)
}

fn main() -> Answer<()> {
    let mut words = std::env::args().skip(1);
    let mut word = |what: &str| words.next().ok_or_else(|| format!("give {what}"));
    let table: Table = serde_json::from_reader(BufReader::new(File::open(word("a table")?)?))?;
    let threads: usize = word("the number of threads")?.parse()?;
    let frame = table.frame()?;
    for text in words {
        let recipe: Recipe = text.parse()?;
        let start = Instant::now();
        let found = probabilities(&table, &frame, &recipe, threads)?;
        let seconds = start.elapsed().as_secs_f64();
        writeln!(std::io::stdout(), "{}", json!({ "recipe": text, "seconds": seconds, "probabilities": found }))?;
    }
    Ok(())
}
