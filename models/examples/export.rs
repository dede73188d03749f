//! What `tests/peers/test_onnx.py` compares: models of every kind as ONNX, with the rows and scores of this program.
//!
//! `export <folder>` writes `<number>.onnx` for each recipe, and `expected.json`.

use std::error::Error;
use std::path::PathBuf;

use models::recipe::{Frame, Recipe, Training, fit};
use serde_json::{Value, json};

const ROWS: usize = 900;
const SCORED: usize = 300;
const CHANNELS: [&str; 4] = ["web", "shop", "phone", "fair"];

const RECIPES: [&str; 15] = [
    "classifier logistic",
    "classifier logistic calibration=platt levels=4",
    "classifier forest",
    "classifier forest calibration=isotonic trees=20",
    "classifier boosting calibration=beta",
    "classifier boosting calibration=none levels=60",
    "classifier boosting calibration=isotonic",
    "classifier ensemble",
    "classifier ensemble calibration=platt levels=2",
    "regressor ridge",
    "regressor forest trees=30",
    "regressor boosting",
    "regressor boosting power=1.5",
    "regressor boosting_quantile",
    "regressor ensemble",
];

/// Columns as they are: numbers with NaN, text with `None`.
struct Columns {
    amount: Vec<f64>,
    visits: Vec<f64>,
    member: Vec<Option<bool>>,
    channel: Vec<Option<&'static str>>,
    city: Vec<Option<String>>,
    churned: Vec<f64>,
    spend: Vec<f64>,
}

/// The generator of Park and Miller.
fn shares(state: &mut u64) -> f64 {
    *state = *state * 16_807 % 2_147_483_647;
    *state as f64 / 2_147_483_647.0
}

fn columns() -> Columns {
    let mut state = 20_261_121;
    let mut draw = || shares(&mut state);
    let mut all = Columns {
        amount: vec![],
        visits: vec![],
        member: vec![],
        channel: vec![],
        city: vec![],
        churned: vec![],
        spend: vec![],
    };
    for row in 0..ROWS {
        let (a, b, channel, city) = (draw() * 200.0, (draw() * 12.0).floor(), draw() * 4.0, (draw() * 40.0).floor());
        let member = draw() < 0.4;
        let signal = a / 50.0 - 0.3 * b + f64::from(u8::from(channel < 1.0)) + f64::from(u8::from(city < 8.0));
        all.churned.push(f64::from(u8::from(draw() < 1.0 / (1.0 + (1.0 - signal).exp()))));
        all.spend.push((signal + 2.0 + draw()).max(0.0));
        let odd = if row % 211 == 5 { f64::INFINITY } else { a };
        all.amount.push(if row % 17 == 3 { f64::NAN } else { odd });
        all.visits.push(b);
        all.member.push((row % 13 != 4).then_some(member));
        all.channel.push((row % 11 != 2).then(|| CHANNELS.get(channel as usize).copied().unwrap_or("web")));
        all.city.push(Some(format!("city {city}")));
    }
    all
}

fn frame(from: &Columns) -> Result<Frame, Box<dyn Error>> {
    let mut frame = Frame::new(from.visits.len());
    frame.numbers("amount", from.amount.clone())?;
    frame.numbers("visits", from.visits.clone())?;
    frame.flags("member", from.member.iter().copied())?;
    frame.text("channel", from.channel.iter().copied())?;
    frame.text("city", from.city.iter().map(Option::as_deref))?;
    Ok(frame)
}

/// Rows to score, some with text that the fit has not seen; JSON has no infinity and no NaN: they are words.
fn odd(mut all: Columns) -> Columns {
    all.channel.iter_mut().step_by(19).for_each(|cell| *cell = Some("pigeon"));
    all.city.iter_mut().step_by(23).for_each(|cell| *cell = Some("atlantis".to_owned()));
    all.visits.iter_mut().step_by(29).for_each(|cell| *cell = f64::NAN);
    all
}

fn words(values: &[f64]) -> Vec<String> {
    values.iter().take(SCORED).map(ToString::to_string).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("give a folder")?);
    let (train, scored) = (columns(), odd(columns()));
    let rows: Vec<usize> = (0..SCORED).collect();
    let (table, test) = (frame(&train)?, frame(&scored)?.select(&rows));
    let mut models = Vec::new();
    for (number, text) in RECIPES.iter().enumerate() {
        let recipe: Recipe = text.parse()?;
        let target = if text.starts_with("classifier") { &train.churned } else { &train.spend };
        let model = fit(&recipe, &Training::new(&table, target).seed(3).threads(2))?;
        let file = format!("{number}.onnx");
        std::fs::write(folder.join(&file), model.to_onnx()?)?;
        let scores = model.score(&test)?;
        let mut outputs = json!({ "score": scores.values.to_vec() });
        if let (Some(intervals), Value::Object(outputs)) = (scores.intervals, &mut outputs) {
            outputs.insert("lower".to_owned(), json!(intervals.lower.to_vec()));
            outputs.insert("upper".to_owned(), json!(intervals.upper.to_vec()));
        }
        models.push(json!({ "recipe": text, "file": file, "outputs": outputs }));
    }
    let member: Vec<f64> = scored.member.iter().map(|flag| flag.map_or(f64::NAN, |f| f64::from(u8::from(f)))).collect();
    let channel: Vec<_> = scored.channel.iter().take(SCORED).collect();
    let city: Vec<_> = scored.city.iter().take(SCORED).collect();
    let columns = json!({
        "amount": words(&scored.amount), "visits": words(&scored.visits), "member": words(&member),
        "channel": channel, "city": city,
    });
    let text = serde_json::to_string(&json!({ "columns": columns, "models": models }))?;
    Ok(std::fs::write(folder.join("expected.json"), text)?)
}
