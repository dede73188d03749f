//! Whatever the blocks and the workers: the rows that a plain reading of the file gives.

use super::support::*;

/// A small deterministic generator.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

/// A file, and the rows and physical lines it was made from.
struct Made {
    text: String,
    rows: Vec<Vec<String>>,
}

fn made(dice: &mut Dice) -> Made {
    let width = 1 + dice.roll(4);
    let newline = *dice.pick(&["\n", "\r\n"]);
    let header: Vec<String> = (0..width).map(|column| format!("c{column}")).collect();
    let mut text = header.join(",") + newline;
    let mut rows = Vec::new();
    for _ in 0..dice.roll(30) {
        if dice.roll(6) == 0 {
            text.push_str(newline);
        }
        let row: Vec<String> = (0..width).map(|_| value(dice, newline)).collect();
        let written: Vec<String> = row.iter().map(|value| field(dice, value, width)).collect();
        text.push_str(&written.join(","));
        text.push_str(newline);
        rows.push(row);
    }
    if dice.roll(3) == 0 {
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    Made { text, rows }
}

fn value(dice: &mut Dice, newline: &str) -> String {
    let parts = ["a", "b,c", "\"", "\"\"", newline, "ñ", "€uro", " ", "", "x", ",", "5\" screen", "\u{1f989}"];
    (0..dice.roll(4)).map(|_| *dice.pick(&parts)).collect()
}

fn field(dice: &mut Dice, value: &str, width: usize) -> String {
    let needs = value.contains([',', '\n', '\r']) || value.starts_with('"') || value.is_empty() && width == 1;
    if needs || value.is_empty() || dice.roll(3) == 0 {
        return format!("\"{}\"", value.replace('"', "\"\""));
    }
    value.to_owned()
}

/// The records of a text by `csv-core`, the reference.
fn reference(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv_core::Reader::new();
    let (mut input, mut rows) = (text.as_bytes(), Vec::new());
    let (mut out, mut ends) = (vec![0; text.len() + 10], vec![0; 1000]);
    let (mut filled, mut fields) = (0, 0);
    loop {
        let (result, read, written, ended) = reader.read_record(input, &mut out[filled..], &mut ends[fields..]);
        (input, filled, fields) = (&input[read..], filled + written, fields + ended);
        match result {
            csv_core::ReadRecordResult::InputEmpty => {}
            csv_core::ReadRecordResult::Record => {
                let starts = std::iter::once(0).chain(ends[..fields - 1].iter().copied());
                let row = starts.zip(&ends[..fields]);
                rows.push(row.map(|(start, end)| String::from_utf8(out[start..*end].to_vec()).unwrap()).collect());
                (filled, fields) = (0, 0);
            }
            csv_core::ReadRecordResult::End => return rows,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn blocks_and_workers_never_change_the_rows() {
    for seed in 0..120 {
        let mut dice = Dice::new(seed);
        let Made { text, rows } = made(&mut dice);
        assert_eq!(reference(&text)[1..], rows[..], "the generator, seed {seed}");
        let width = text.lines().next().unwrap().split(',').count();
        let names: Vec<String> = (0..width).map(|column| format!("c{column} VARCHAR")).collect();
        let contract = columns("path: '*'", &names.iter().map(String::as_str).collect::<Vec<_>>());
        for (block, threads) in [(1, 1), (1 + dice.roll(9), 3), (10 + dice.roll(60), 2), (1 << 20, 2)] {
            let loaded = load_file(&contract, "a.csv", &text, block, threads).await.unwrap();
            let expected: Vec<Vec<String>> = rows
                .iter()
                .enumerate()
                .map(|(record, row)| row.iter().cloned().chain([(record + 1).to_string()]).collect())
                .collect();
            assert_eq!(loaded.rows, expected, "seed {seed}, blocks of {block}, {threads} threads: {text:?}");
        }
    }
}

#[tokio::test]
async fn records_and_physical_lines_are_exact_among_bad_rows() {
    for seed in 0..120 {
        let mut dice = Dice::new(seed + 1000);
        let newline = *dice.pick(&["\n", "\r\n"]);
        let mut text = format!("id,note{newline}");
        let (mut line, mut record) = (2, 0);
        let mut bad = Vec::new();
        for _ in 0..dice.roll(40) {
            let raw = match dice.roll(6) {
                0 => {
                    text.push_str(newline);
                    line += 1;
                    continue;
                }
                1 => format!("x,bad {record}"),
                2 => format!("1,\"two{newline}lines\""),
                3 => format!("y,\"bad{newline}{newline}lines\""),
                4 => "1".to_owned(),
                _ => format!("{record},fine"),
            };
            record += 1;
            if !raw.starts_with(char::is_numeric) || raw == "1" {
                bad.push((record.to_string(), line.to_string(), raw.clone()));
            }
            line += 1 + raw.matches('\n').count();
            text.push_str(&raw);
            text.push_str(newline);
        }
        let contract = columns("path: '*'\ntolerance: 1.0", &["id BIGINT!", "note VARCHAR"]);
        for (block, threads) in [(1, 1), (1 + dice.roll(50), 3), (1 << 20, 2)] {
            let loaded = load_file(&contract, "a.csv", &text, block, threads).await.unwrap();
            let found: Vec<_> =
                quarantine(&loaded).into_iter().map(|[record, line, _, _, raw, _]| (record, line, raw)).collect();
            assert_eq!(found, bad, "seed {seed}, blocks of {block}: {text:?}");
        }
    }
}
