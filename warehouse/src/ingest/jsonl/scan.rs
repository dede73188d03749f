//! The members of one JSON object, as spans: a number keeps every digit it was written with.

use memchr::memchr2;
use serde::de::IgnoredAny;

/// Where a value lies in the line, and how it is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    /// `true`, `false`, a number, or nested JSON: text as it stands.
    Bare {
        start: usize,
        end: usize,
    },
    /// The inside of the quotes.
    Text {
        start: usize,
        end: usize,
        escaped: bool,
    },
}

/// Walks over the members of an object.
pub(super) struct Members<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Members<'a> {
    /// # Errors
    /// When the line does not begin as an object.
    pub(super) fn new(line: &'a [u8]) -> Result<Self, String> {
        let mut members = Self { line, at: 0 };
        members.blanks();
        if members.line.get(members.at) != Some(&b'{') {
            return Err("not a JSON object".to_owned());
        }
        members.at += 1;
        Ok(members)
    }

    /// The next key and value; `None` at the object's end, after which nothing may follow.
    pub(super) fn next(&mut self, first: bool) -> Result<Option<(Value, Value)>, String> {
        self.blanks();
        match (self.line.get(self.at), first) {
            (Some(b'}'), _) => {
                self.at += 1;
                self.blanks();
                return if self.at == self.line.len() { Ok(None) } else { Err(self.wrong("text after the object")) };
            }
            (Some(b','), false) => {
                self.at += 1;
                self.blanks();
            }
            (_, true) => {}
            _ => return Err(self.wrong("neither `,` nor `}` after a value")),
        }
        if self.line.get(self.at) != Some(&b'"') {
            return Err(self.wrong("a key that is not in quotes"));
        }
        let key = self.text()?;
        self.blanks();
        if self.line.get(self.at) != Some(&b':') {
            return Err(self.wrong("no `:` after a key"));
        }
        self.at += 1;
        self.blanks();
        let value = self.value()?;
        Ok(Some((key, value)))
    }

    fn wrong(&self, what: &str) -> String {
        format!("not JSON: {what}, at byte {} of the line", self.at + 1)
    }

    fn blanks(&mut self) {
        while matches!(self.line.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.line.get(self.at) {
            Some(b'"') => self.text(),
            Some(b'{' | b'[') => self.nested(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null").map(|_| Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong("no value")),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<Value, String> {
        let (start, end) = (self.at, self.at + word.len());
        if self.line.get(start..end) != Some(word) {
            return Err(self.wrong("a word that is no value"));
        }
        self.at = end;
        Ok(Value::Bare { start, end })
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        let digits = |members: &mut Self| {
            let from = members.at;
            while members.line.get(members.at).is_some_and(u8::is_ascii_digit) {
                members.at += 1;
            }
            members.at > from
        };
        if self.line.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let mut fits = digits(self);
        if self.line.get(self.at) == Some(&b'.') {
            self.at += 1;
            fits &= digits(self);
        }
        if matches!(self.line.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.line.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            fits &= digits(self);
        }
        if fits { Ok(Value::Bare { start, end: self.at }) } else { Err(self.wrong("a number that is cut short")) }
    }

    fn text(&mut self) -> Result<Value, String> {
        let start = self.at + 1;
        let (mut at, mut escaped) = (start, false);
        while let Some(found) = memchr2(b'"', b'\\', self.line.get(at..).unwrap_or_default()) {
            let hit = at + found;
            if self.line.get(hit) == Some(&b'"') {
                self.at = hit + 1;
                let inside = self.line.get(start..hit).unwrap_or_default();
                if inside.iter().any(|byte| *byte < 0x20) {
                    return Err(self.wrong("a control character in a text"));
                }
                return Ok(Value::Text { start, end: hit, escaped });
            }
            escaped = true;
            at = hit + 2;
        }
        Err(self.wrong("a text that is not closed"))
    }

    fn nested(&mut self) -> Result<Value, String> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.line.get(self.at) {
                None => return Err(self.wrong("an object or array that is not closed")),
                Some(b'"') => {
                    self.text()?;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth -= 1,
                Some(_) => {}
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
        let inside = self.line.get(start..self.at).unwrap_or_default();
        match serde_json::from_slice::<IgnoredAny>(inside) {
            Ok(_) => Ok(Value::Bare { start, end: self.at }),
            Err(error) => Err(format!("not JSON: {error} of the value at byte {} of the line", start + 1)),
        }
    }
}
