//! Names: of columns in SQL, of files in a pattern.

use std::collections::HashSet;

use chrono::NaiveDate;
use regex::Regex;

use super::types::InferredColumn;

/// A column's name as SQL likes it: `OrderID` and `Order Id` are `order_id`.
pub(super) fn canonical(name: &str) -> String {
    let name = spelt_out(name.trim());
    let mut out = String::new();
    let mut before = None::<char>;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let plain = unaccented(c);
        if plain.is_ascii_alphanumeric() {
            let lower_next = chars.peek().is_some_and(|next| next.is_lowercase());
            let starts_word = plain.is_uppercase()
                && before.is_some_and(|before| {
                    before.is_lowercase() || before.is_ascii_digit() || before.is_uppercase() && lower_next
                });
            if starts_word && !out.ends_with('_') {
                out.push('_');
            }
            out.push(plain.to_ascii_lowercase());
            before = Some(plain);
        } else {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            before = None;
        }
    }
    let out = out.trim_end_matches('_');
    match out.chars().next() {
        None => "column".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("c_{out}"),
        Some(_) => out.to_owned(),
    }
}

/// A name with the signs for `number` as letters: `Nº`, `N°` and `№` are `no`.
fn spelt_out(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        let mut before = out.chars().rev();
        let is_n = matches!(before.next(), Some('n' | 'N')) && !before.next().is_some_and(char::is_alphanumeric);
        match c {
            'º' | '°' if is_n => out.push_str("o "),
            '№' => out.push_str(" no "),
            c => out.push(c),
        }
    }
    out
}

fn unaccented(c: char) -> char {
    const ACCENTED: &str =
        "áàâäãåăąéèêëěęíìîïıóòôöõőøúùûüűůñňńçčćďğłřśšșťțýžźżÁÀÂÄÃÅĂĄÉÈÊËĚĘÍÌÎÏİÓÒÔÖÕŐØÚÙÛÜŰŮÑŇŃÇČĆĎĞŁŘŚŠȘŤȚÝŽŹŻ";
    const PLAIN: &str =
        "aaaaaaaaeeeeeeiiiiiooooooouuuuuunnncccdglrsssttyzzzAAAAAAAAEEEEEEIIIIIOOOOOOOUUUUUUNNNCCCDGLRSSSTTYZZZ";
    ACCENTED.chars().zip(PLAIN.chars()).find(|(accented, _)| *accented == c).map_or(c, |(_, plain)| plain)
}

/// Number canonical names that two columns would share.
pub(super) fn distinct(columns: &mut [InferredColumn]) {
    let mut taken = HashSet::new();
    for column in columns {
        let base = column.name.clone();
        let mut n = 2;
        while !taken.insert(column.name.clone()) {
            column.name = format!("{base}_{n}");
            n += 1;
        }
    }
}

/// The dates that names carry, most telling first; where day and month could be either, the day comes first.
const DATES: [(&str, &str); 11] = [
    ("[0-9]{4}-[0-9]{2}-[0-9]{2}", "%Y-%m-%d"),
    ("[0-9]{4}_[0-9]{2}_[0-9]{2}", "%Y_%m_%d"),
    ("[0-9]{4}/[0-9]{2}/[0-9]{2}", "%Y/%m/%d"),
    ("[0-9]{8}", "%Y%m%d"),
    ("[0-9]{2}-[0-9]{2}-[0-9]{4}", "%d-%m-%Y"),
    ("[0-9]{2}-[0-9]{2}-[0-9]{4}", "%m-%d-%Y"),
    ("[0-9]{2}_[0-9]{2}_[0-9]{4}", "%d_%m_%Y"),
    ("[0-9]{2}_[0-9]{2}_[0-9]{4}", "%m_%d_%Y"),
    ("[0-9]{8}", "%d%m%Y"),
    ("[0-9]{8}", "%m%d%Y"),
    ("[0-9]{4}-[0-9]{2}", "%Y-%m"),
];

/// One pattern for all paths: their date, and `*` where they differ otherwise.
pub(super) fn pattern(paths: &[&str]) -> String {
    let dated = DATES.iter().find_map(|(regex, format)| {
        let regex = Regex::new(&format!("(^|[^0-9])({regex})([^0-9]|$)")).ok()?;
        let cut: Option<Vec<(String, String)>> = paths.iter().map(|path| around_date(path, &regex, format)).collect();
        let cut = cut.filter(|cut| !cut.is_empty())?;
        let before: Vec<&str> = cut.iter().map(|(before, _)| before.as_str()).collect();
        let after: Vec<&str> = cut.iter().map(|(_, after)| after.as_str()).collect();
        Some(format!("{}{{date:{format}}}{}", common(&before), common(&after)))
    });
    dated.unwrap_or_else(|| common(paths))
}

/// What stands before and after the last date in a path.
fn around_date(path: &str, regex: &Regex, format: &str) -> Option<(String, String)> {
    let found = (0..path.len())
        .rev()
        .filter(|at| path.is_char_boundary(*at))
        .find_map(|at| regex.captures_at(path, at).and_then(|captures| captures.get(2)))?;
    let text = if format == "%Y-%m" { format!("{}-01", found.as_str()) } else { found.as_str().to_owned() };
    let format = if format == "%Y-%m" { "%Y-%m-%d" } else { format };
    NaiveDate::parse_from_str(&text, format).ok()?;
    Some((path.get(..found.start())?.to_owned(), path.get(found.end()..)?.to_owned()))
}

/// The texts' common begin and end around a `*`; the text itself where all are one.
fn common(texts: &[&str]) -> String {
    let Some((first, rest)) = texts.split_first() else { return "*".to_owned() };
    if rest.iter().all(|text| text == first) {
        return escaped(first);
    }
    let shared = |pick: fn(&str) -> Vec<char>| {
        let first = pick(first);
        let length = rest.iter().map(|text| first.iter().zip(pick(text)).take_while(|(a, b)| **a == *b).count());
        let length = length.min().unwrap_or(0);
        first.into_iter().take(length).collect::<Vec<char>>()
    };
    let begin = shared(|text| text.chars().collect());
    let end = shared(|text| text.chars().rev().collect());
    let shortest = texts.iter().map(|text| text.chars().count()).min().unwrap_or(0);
    let end: Vec<char> = end.into_iter().take(shortest.saturating_sub(begin.len())).collect();
    let (begin, end): (String, String) = (begin.into_iter().collect(), end.into_iter().rev().collect());
    let across_folders = texts.iter().any(|text| {
        text.get(begin.len()..text.len().saturating_sub(end.len())).is_some_and(|middle| middle.contains('/'))
    });
    let star = if across_folders { "**" } else { "*" };
    format!("{}{star}{}", escaped(&begin), escaped(&end))
}

/// Characters that would mean something in a pattern match any one instead.
fn escaped(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '*' | '[' | ']' | '{' | '}') { '?' } else { c }).collect()
}
