//! Where generated rows go: one buffer for each file, dirt planted on the way.

use flate2::Crc;

use super::super::calendar::{Calendar, Day};
use super::super::error::DemoError;
use super::cell::Cell;
use super::dirt::{Dirt, Fault, Planted, faults};
use super::gzip::Deflater;
use super::source::Format;
use super::tables::Source;
use super::{csv, jsonl, packed};

/// How often dirt is planted in the rows that a sink gets for one file.
///
/// A file that is `first` rows or more long has at most one bad row in `first + 1`, which stays
/// under the contracts' tolerance of one in a hundred.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Good rows before the first dirty one.
    pub first: u64,
    /// Good rows between one dirty row and the next.
    pub gap: u64,
}

impl Plan {
    /// For the shop itself and its first customers: enough to see every kind in a small demo.
    pub const DENSE: Self = Self { first: 150, gap: 600 };
    /// For all the others: a large demo's quarantine stays small enough to be read.
    pub const SPARSE: Self = Self { first: 20_000, gap: 50_000 };
}

/// The rows that one sink collected for one file, encoded.
pub struct Piece {
    /// File slot: source index x deliveries + delivery.
    pub slot: usize,
    /// Encoded rows: plain text, deflate blocks, or one frame of packed rows.
    pub bytes: Vec<u8>,
    /// Checksum and length of the rows before deflating.
    pub crc: Crc,
    /// Rows, dirty ones included.
    pub rows: u64,
}

/// All pieces of a sink, by slot.
#[derive(Default)]
pub struct Batch {
    /// One piece for each file with rows.
    pub pieces: Vec<Piece>,
    /// Dirt in these pieces; rows counted from the start of the piece.
    pub planted: Vec<Planted>,
}

#[derive(Default)]
struct Slot {
    bytes: Vec<u8>,
    rows: u64,
    next_dirt: u64,
    turn: usize,
}

/// Collects the rows of a part of the shop.
pub struct Sink<'c> {
    calendar: &'c Calendar,
    plan: Plan,
    faults: Vec<Vec<Fault>>,
    slots: Vec<Slot>,
    planted: Vec<Planted>,
    deflater: Deflater,
}

impl<'c> Sink<'c> {
    /// A sink without rows.
    pub fn new(calendar: &'c Calendar, plan: Plan) -> Self {
        let count = Source::COUNT * calendar.deliveries().len();
        let faults = (0..Source::COUNT).map(|index| faults(Source::at(index).shape())).collect();
        let mut sink =
            Self { calendar, plan, faults, slots: Vec::new(), planted: Vec::new(), deflater: Deflater::new() };
        sink.slots.resize_with(count, Slot::default);
        sink.restart(plan);
        sink
    }

    /// Empties the sink for the next part of the shop.
    pub fn restart(&mut self, plan: Plan) {
        self.plan = plan;
        self.planted.clear();
        for slot in &mut self.slots {
            *slot = Slot { next_dirt: plan.first, bytes: std::mem::take(&mut slot.bytes), ..Slot::default() };
            slot.bytes.clear();
        }
    }

    /// The days and deliveries that rows are sorted by.
    pub fn calendar(&self) -> &'c Calendar {
        self.calendar
    }

    /// Adds a row that became known on `day`; what lies after the last night is not exported.
    pub fn row(&mut self, source: Source, day: Day, cells: &[Cell<'_>]) {
        let Some(delivery) = self.calendar.delivery_of(day) else { return };
        let index = source.index() * self.calendar.deliveries().len() + delivery;
        let Some(slot) = self.slots.get_mut(index) else { return };
        put(&mut slot.bytes, source, cells, None);
        slot.rows += 1;
        if slot.rows < slot.next_dirt || source == Source::TruthCustomers {
            return;
        }
        slot.next_dirt = slot.rows + self.plan.gap;
        let kinds = self.faults.get(source.index()).map_or(&[][..], Vec::as_slice);
        // Sources and deliveries start at different kinds, so that short files are not all dirty in the same way.
        let turn = slot.turn + source.index() + delivery;
        let Some(&fault) = kinds.get(turn % kinds.len().max(1)) else { return };
        put(&mut slot.bytes, source, cells, Some(fault));
        self.planted.push(Planted { slot: index, row: slot.rows, dirt: fault.dirt });
        slot.rows += 1;
        slot.turn += 1;
    }

    /// Adds a row of the truth.
    pub fn truth(&mut self, cells: &[Cell<'_>]) {
        self.row(Source::TruthCustomers, self.calendar.first, cells);
    }

    /// Adds the versions of a row that later deliveries send again: `changes` are the moments at
    /// which it changed, in order, and `put` adds it as it was after the change of that position.
    /// A delivery holds only the last version of its days.
    pub fn versions(&mut self, changes: &[Day], mut put: impl FnMut(&mut Self, usize)) {
        let calendar = self.calendar;
        for (position, &day) in changes.iter().enumerate() {
            let next = changes.get(position + 1).and_then(|&day| calendar.delivery_of(day));
            let this = calendar.delivery_of(day);
            if this.is_some() && next != this {
                put(self, position);
            }
        }
    }

    /// Encodes what was collected.
    ///
    /// # Errors
    /// [`DemoError::Compress`] where a compressor gives up.
    pub fn drain(&mut self) -> Result<Batch, DemoError> {
        let deliveries = self.calendar.deliveries().len().max(1);
        let mut pieces = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.rows > 0) {
            let shape = Source::at(index / deliveries).shape();
            let compress = |reason| DemoError::Compress { export: shape.name, reason };
            let mut bytes = Vec::new();
            let mut crc = Crc::new();
            if shape.gzip() {
                crc = self.deflater.piece(&slot.bytes, &mut bytes).map_err(compress)?;
            } else if matches!(shape.format, Format::Parquet) {
                bytes = zstd::bulk::compress(&slot.bytes, 1).map_err(|error| compress(error.to_string()))?;
            } else {
                bytes.extend_from_slice(&slot.bytes);
            }
            pieces.push(Piece { slot: index, bytes, crc, rows: slot.rows });
        }
        Ok(Batch { pieces, planted: std::mem::take(&mut self.planted) })
    }
}

fn put(out: &mut Vec<u8>, source: Source, cells: &[Cell<'_>], fault: Option<Fault>) {
    let shape = source.shape();
    debug_assert_eq!(cells.len(), shape.columns.len(), "{}", shape.name);
    match shape.format {
        Format::Csv(style) => csv::put_record(out, &style, shape.columns, cells, fault),
        Format::JsonLines => jsonl::put_record(out, shape.columns, cells, fault),
        Format::Parquet => {
            let absent = fault.filter(|fault| fault.dirt == Dirt::MissingKey);
            packed::put_row(out, cells, absent.map(|fault| fault.column));
        }
    }
}
