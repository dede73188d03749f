//! What to write instead of a word that is not known.

use std::fmt;

use crate::nearest::nearest;

/// How many known words a message lists when none is near.
const LISTED: usize = 16;

/// What to write instead of an unknown word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    pub nearest: Option<String>,
    pub known: Vec<String>,
}

impl Advice {
    /// Advice for `word`, given the words that are known, in the order to list them.
    pub fn new<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
        let nearest = nearest(word, known.iter().map(String::as_str)).map(str::to_owned);
        Self { nearest, known }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(nearest) = &self.nearest {
            return write!(f, "did you mean `{nearest}`?");
        }
        match self.known.as_slice() {
            [] => f.write_str("there is none to choose from"),
            [only] => write!(f, "use `{only}`"),
            known if known.len() <= LISTED => write!(f, "use one of {}", known.join(", ")),
            known => {
                let listed: Vec<&str> = known.iter().take(LISTED).map(String::as_str).collect();
                write!(f, "use one of {}, … ({} in all)", listed.join(", "), known.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_finds_its_word() {
        let known = ["raw", "lake", "time_zone", "currency", "memory", "date_formats"];
        for (slip, word) in [
            ("raws", "raw"),
            ("timezone", "time_zone"),
            ("Currency", "currency"),
            ("memroy", "memory"),
            ("date_format", "date_formats"),
        ] {
            assert_eq!(Advice::new(slip, known).to_string(), format!("did you mean `{word}`?"));
        }
    }

    #[test]
    fn a_word_that_is_far_from_all_lists_them_instead() {
        let advice = Advice::new("password", ["raw", "lake"]);
        assert_eq!(advice.to_string(), "use one of raw, lake");
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let words: Vec<String> = (0..40).map(|n| format!("word_number_{n}_of_many")).collect();
        let advice = Advice::new("x", words.iter().map(String::as_str));
        assert!(advice.to_string().ends_with("(40 in all)"), "{advice}");
    }
}
