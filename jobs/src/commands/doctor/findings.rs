//! What the doctor found, in the order it looked.

use std::fmt;

use warehouse::error::ErrorKind;
use warehouse::plain::escaped_lines;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    grade: Grade,
    /// What was looked at: `raw`, `source orders`.
    subject: String,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Fine,
    /// A night runs all the same.
    Note,
    /// A night fails, or loses something.
    Problem(ErrorKind),
}

/// All that was looked at.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    found: Vec<Finding>,
}

impl Findings {
    pub fn fine(&mut self, subject: &str, text: impl fmt::Display) {
        self.add(Grade::Fine, subject, text);
    }

    pub fn note(&mut self, subject: &str, text: impl fmt::Display) {
        self.add(Grade::Note, subject, text);
    }

    /// A problem; data that does not fit is the user's to mend, since nothing ran yet.
    pub fn problem(&mut self, kind: ErrorKind, subject: &str, text: impl fmt::Display) {
        let kind = if kind == ErrorKind::Data { ErrorKind::User } else { kind };
        self.add(Grade::Problem(kind), subject, text);
    }

    fn add(&mut self, grade: Grade, subject: &str, text: impl fmt::Display) {
        let text = escaped_lines(&text.to_string()).into_owned();
        self.found.push(Finding { grade, subject: subject.to_owned(), text });
    }

    /// The kind that decides the exit code; `None` where all is well.
    pub fn worst(&self) -> Option<ErrorKind> {
        let kinds = self.found.iter().filter_map(|finding| match finding.grade {
            Grade::Problem(kind) => Some(kind),
            _ => None,
        });
        kinds.reduce(ErrorKind::worst)
    }

    fn count(&self, grade: impl Fn(Grade) -> bool) -> usize {
        self.found.iter().filter(|finding| grade(finding.grade)).count()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.found.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or(0);
        for finding in &self.found {
            let mark = match finding.grade {
                Grade::Fine => "✓",
                Grade::Note => "!",
                Grade::Problem(_) => "✗",
            };
            let indent = " ".repeat(width + 4);
            let text = finding.text.replace('\n', &format!("\n{indent}"));
            writeln!(f, "{mark} {:<width$}  {text}", finding.subject)?;
        }
        let problems = self.count(|grade| matches!(grade, Grade::Problem(_)));
        let notes = self.count(|grade| grade == Grade::Note);
        match (problems, notes) {
            (0, 0) => writeln!(f, "\nA night can run: `buho run`."),
            (0, _) => writeln!(f, "\nA night can run: `buho run`. Worth a look: {notes}."),
            (1, _) => writeln!(f, "\n1 problem to mend before a night runs."),
            _ => writeln!(f, "\n{problems} problems to mend before a night runs."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_problem_decides_and_notes_do_not() {
        let mut findings = Findings::default();
        findings.note("source a", "nothing yet");
        assert_eq!(findings.worst(), None);
        findings.problem(ErrorKind::Data, "source b", "no column");
        assert_eq!(findings.worst(), Some(ErrorKind::User));
        findings.problem(ErrorKind::Retry, "lake", "no answer");
        assert_eq!(findings.worst(), Some(ErrorKind::Retry));
    }

    #[test]
    fn subjects_stand_in_a_column_and_long_texts_below_themselves() {
        let mut findings = Findings::default();
        findings.fine("raw", "1 file");
        findings.problem(ErrorKind::User, "source orders", "first\x1b[2J\nsecond");
        let shown = findings.to_string();
        assert!(shown.contains("✓ raw            1 file\n"), "{shown}");
        assert!(shown.contains("✗ source orders  first\\u{1b}[2J\n                 second\n"), "{shown}");
        assert!(shown.ends_with("1 problem to mend before a night runs.\n"));
    }
}
