//! The least or greatest text of each group.

use std::cmp::Ordering;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::{not, nullif, prep_null_mask_filter};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::Extreme;

/// A group without text so far: no view is this long.
const NONE: u128 = u128::MAX;
/// Bytes of text that fit into a view.
const INLINE: usize = 12;
/// Bytes of one buffer of long text that is given out.
const BLOCK: usize = 1 << 21;

/// One view a group. Short text is in it, as in Arrow: its length in the low 32 bits, then its bytes. Of
/// longer text it has the length and, in the next 32 bits, the place in `long`.
#[derive(Debug)]
pub(super) struct TextExtremes {
    extreme: Extreme,
    views: Vec<u128>,
    long: Vec<Vec<u8>>,
    /// Places in `long` that no group uses.
    free: Vec<u32>,
    /// Bytes allocated by what is in `long`.
    long_bytes: usize,
}

impl TextExtremes {
    pub(super) fn new(extreme: Extreme) -> Self {
        Self { extreme, views: Vec::new(), long: Vec::new(), free: Vec::new(), long_bytes: 0 }
    }

    /// Takes a text for a group if it is beyond what the group has.
    fn offer(&mut self, group: usize, view: u128, texts: &StringViewArray, row: usize) -> Result<()> {
        let held = *self.views.get(group).ok_or_else(|| internal_datafusion_err!("group {group} is not counted"))?;
        if held == NONE || self.order(view, texts, row, held) == self.wanted() {
            self.set(group, held, view, texts, row)?;
        }
        Ok(())
    }

    fn wanted(&self) -> Ordering {
        match self.extreme {
            Extreme::Min => Ordering::Less,
            Extreme::Max => Ordering::Greater,
        }
    }

    /// How a new text compares with the one held.
    fn order(&self, view: u128, texts: &StringViewArray, row: usize, held: u128) -> Ordering {
        if view == held && length(view) <= INLINE {
            return Ordering::Equal;
        }
        if length(view) <= INLINE && length(held) <= INLINE {
            return StringViewArray::inline_key_fast(view).cmp(&StringViewArray::inline_key_fast(held));
        }
        let new = texts.value(row).as_bytes();
        match place(held) {
            Some(place) => new.cmp(self.long.get(place).map_or(&[][..], Vec::as_slice)),
            None => new.iter().cmp(short(held).iter().take(length(held))),
        }
    }

    fn set(&mut self, group: usize, held: u128, view: u128, texts: &StringViewArray, row: usize) -> Result<()> {
        let before = if held == NONE { None } else { place(held) };
        let after = if length(view) <= INLINE {
            if let Some(place) = before {
                self.give_back(place)?;
            }
            view
        } else {
            let place = match before {
                Some(place) => place,
                None => self.free_place(),
            };
            let text = texts.value(row).as_bytes();
            let slot = self.long.get_mut(place).ok_or_else(|| internal_datafusion_err!("no text at {place}"))?;
            self.long_bytes -= slot.capacity();
            slot.clear();
            slot.extend_from_slice(text);
            self.long_bytes += slot.capacity();
            u128::from(view as u32) | (place as u128) << 32
        };
        if let Some(kept) = self.views.get_mut(group) {
            *kept = after;
        }
        Ok(())
    }

    fn free_place(&mut self) -> usize {
        match self.free.pop() {
            Some(place) => place as usize,
            None => {
                self.long.push(Vec::new());
                self.long.len() - 1
            }
        }
    }

    /// Frees a place and takes its text.
    fn give_back(&mut self, place: usize) -> Result<Vec<u8>> {
        let slot = self.long.get_mut(place).ok_or_else(|| internal_datafusion_err!("no text at {place}"))?;
        let text = std::mem::take(slot);
        self.long_bytes -= text.capacity();
        self.free.push(u32::try_from(place).map_err(|_| internal_datafusion_err!("more texts than groups may be"))?);
        Ok(text)
    }

    fn give_out(&mut self, emit_to: EmitTo) -> Result<StringViewArray> {
        let mut views = emit_to.take_needed(&mut self.views);
        let valid: Vec<bool> = views.iter().map(|view| *view != NONE).collect();
        let mut blocks = Blocks::default();
        for view in &mut views {
            if *view == NONE {
                *view = 0;
            } else if let Some(place) = place(*view) {
                *view = blocks.push(&self.give_back(place)?)?;
            }
        }
        if self.views.is_empty() {
            *self = Self::new(self.extreme);
        }
        let nulls = NullBuffer::from(valid);
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        Ok(StringViewArray::try_new(ScalarBuffer::from(views), blocks.finish(), nulls)?)
    }
}

impl GroupsAccumulator for TextExtremes {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let texts = texts(values)?;
        self.views.resize(total_num_groups, NONE);
        let chosen = opt_filter.map(prep_null_mask_filter);
        let rows = texts.views().iter().zip(group_indices).enumerate();
        for (row, (&view, &group)) in rows {
            if texts.is_valid(row) && chosen.as_ref().is_none_or(|chosen| chosen.value(row)) {
                self.offer(group, view, texts, row)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(self.give_out(emit_to)?))
    }

    /// A least text is its own intermediate state.
    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let texts = texts(values)?;
        Ok(vec![match opt_filter {
            Some(filter) => nullif(texts, &not(&prep_null_mask_filter(filter))?)?,
            None => Arc::new(texts.clone()),
        }])
    }

    fn size(&self) -> usize {
        let places = self.long.capacity() * size_of::<Vec<u8>>() + self.free.capacity() * size_of::<u32>();
        self.views.capacity() * size_of::<u128>() + places + self.long_bytes
    }
}

fn texts(values: &[ArrayRef]) -> Result<&StringViewArray> {
    let texts = values.first().and_then(|array| array.as_string_view_opt());
    texts.ok_or_else(|| internal_datafusion_err!("min and max of text expect one column of text views"))
}

fn length(view: u128) -> usize {
    view as u32 as usize
}

/// The place in `long`, where the text is not in the view.
fn place(view: u128) -> Option<usize> {
    (length(view) > INLINE).then_some((view >> 32) as u32 as usize)
}

/// The bytes of a short text, and zeros after them.
fn short(view: u128) -> [u8; INLINE] {
    let mut bytes = [0; INLINE];
    for (byte, from) in bytes.iter_mut().zip(view.to_le_bytes().iter().skip(size_of::<u32>())) {
        *byte = *from;
    }
    bytes
}

/// Long texts on their way out, in buffers of a size that views can point into.
#[derive(Debug, Default)]
struct Blocks {
    full: Vec<Buffer>,
    open: Vec<u8>,
}

impl Blocks {
    /// Appends a text; its view as Arrow has it: length, first four bytes, buffer, offset.
    fn push(&mut self, text: &[u8]) -> Result<u128> {
        if !self.open.is_empty() && self.open.len() + text.len() > BLOCK {
            self.full.push(Buffer::from_vec(std::mem::take(&mut self.open)));
        }
        let number = |count: usize| {
            u32::try_from(count).map(u128::from).map_err(|_| internal_datafusion_err!("a text of over 4 GiB"))
        };
        let first = text.iter().take(size_of::<u32>()).rev().fold(0, |bytes, byte| bytes << 8 | u128::from(*byte));
        let (buffer, offset) = (number(self.full.len())?, number(self.open.len())?);
        self.open.extend_from_slice(text);
        Ok(number(text.len())? | first << 32 | buffer << 64 | offset << 96)
    }

    fn finish(mut self) -> Vec<Buffer> {
        if !self.open.is_empty() {
            self.full.push(Buffer::from_vec(self.open));
        }
        self.full
    }
}
