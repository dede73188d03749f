//! Where the fields of a block lie: what a format's tokeniser hands to the typed columns.

/// One field: a range of the block's bytes, or of the scratch where it had to be unescaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    start: u32,
    end: u32,
}

const FLAG: u32 = 1 << 31;

impl Field {
    /// No value at all.
    pub(crate) const NULL: Self = Self { start: u32::MAX, end: u32::MAX };

    /// A range of the block. Blocks are far below 2 GiB.
    #[inline]
    pub(crate) fn plain(start: usize, end: usize) -> Self {
        Self { start: start as u32 & !FLAG, end: end as u32 & !FLAG }
    }

    #[inline]
    pub(crate) fn quoted(start: usize, end: usize) -> Self {
        Self { start: start as u32 & !FLAG, end: end as u32 | FLAG }
    }

    /// A quoted field whose text stands in the scratch.
    pub(crate) fn scratch(start: usize, end: usize) -> Self {
        Self { start: start as u32 | FLAG, end: end as u32 | FLAG }
    }

    /// The text, and whether it was quoted; `None` for no value.
    #[inline]
    pub(crate) fn text<'a>(self, bytes: &'a [u8], scratch: &'a [u8]) -> Option<(&'a [u8], bool)> {
        if self == Self::NULL {
            return None;
        }
        let (start, end) = ((self.start & !FLAG) as usize, (self.end & !FLAG) as usize);
        let from = if self.start & FLAG == 0 { bytes } else { scratch };
        Some((from.get(start..end).unwrap_or_default(), self.end & FLAG != 0))
    }
}

/// One record that has fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Range of its text in the block.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Its place among the block's records, flawed ones included.
    pub(crate) ordinal: u32,
}

/// A record that does not fit, before its place in the file is worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) row: Row,
    /// Place of the column in the contract, where one is to blame.
    pub(crate) column: Option<usize>,
    pub(crate) reason: String,
}

/// The fields of a block, row by row. Reused from block to block.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// `width` fields a row.
    pub(crate) fields: Vec<Field>,
    pub(crate) rows: Vec<Row>,
    pub(crate) width: usize,
    pub(crate) scratch: Vec<u8>,
    /// Records without usable fields.
    pub(crate) misfits: Vec<Misfit>,
}

impl Tokens {
    pub(crate) fn clear(&mut self, width: usize) {
        self.fields.clear();
        self.rows.clear();
        self.scratch.clear();
        self.misfits.clear();
        self.width = width;
    }

    /// Take a row whose fields were pushed, or refuse it if they are not `width`.
    pub(crate) fn refuse(&mut self, row: Row, column: Option<usize>, reason: String) {
        self.fields.truncate(self.rows.len() * self.width);
        self.misfits.push(Misfit { row, column, reason });
    }
}
