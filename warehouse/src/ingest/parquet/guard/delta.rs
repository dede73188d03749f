//! What front-coded text (DELTA_BYTE_ARRAY) unfolds to, told from the lengths before it is unfolded.

/// Bytes that the values of such a page take besides those that are in it; `None` where its counts
/// are not those of a page of `values`.
pub(super) fn unfolded(data: &[u8], values: u64) -> Option<u64> {
    let (shared, end) = sum(data, values)?;
    let mut suffixes = Bits { bytes: data.get(end..)?, at: 0 };
    (suffixes.count()? <= values).then_some(shared)
}

/// Whether no more lengths stand before the text of a DELTA_LENGTH_BYTE_ARRAY page than it has values.
pub(super) fn has_lengths(data: &[u8], values: u64) -> bool {
    Bits { bytes: data, at: 0 }.count().is_some_and(|count| count <= values)
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// In bytes.
    at: usize,
}

impl Bits<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Values modulo 2³², as they are added.
    fn zigzag(&mut self) -> Option<u32> {
        let value = self.varint()?;
        Some((((value >> 1) ^ (value & 1).wrapping_neg()) & 0xffff_ffff) as u32)
    }

    /// The number of values, of a header.
    fn count(&mut self) -> Option<u64> {
        self.varint()?;
        self.varint()?;
        self.varint()
    }

    /// Bits from a bit after `at`; those past the end are 0.
    fn bits(&self, from: usize, width: u32) -> u32 {
        let mut window = [0; 8];
        let rest = self.bytes.get(self.at + from / 8..).unwrap_or_default();
        for (to, byte) in window.iter_mut().zip(rest) {
            *to = *byte;
        }
        let bits = (u64::from_le_bytes(window) >> (from % 8)) & ((1 << width) - 1);
        (bits & 0xffff_ffff) as u32
    }
}

/// The sum of DELTA_BINARY_PACKED lengths, and where they end.
fn sum(data: &[u8], values: u64) -> Option<(u64, usize)> {
    let mut bits = Bits { bytes: data, at: 0 };
    let (block, minis, count) = (bits.varint()?, bits.varint()?, bits.varint()?);
    let mut value = bits.zigzag()?;
    if count > values || minis == 0 || minis > data.len() as u64 || block % minis != 0 {
        return None;
    }
    let each = usize::try_from(block / minis).ok().filter(|each| each % 8 == 0 && *each > 0)?;
    // No value is longer than all that was told before it, a negative length shares it all.
    let shared = |value: u32| u64::from(value).min(data.len() as u64);
    let mut total = if count > 0 { shared(value) } else { 0 };
    let mut left = usize::try_from(count.saturating_sub(1)).ok()?;
    while left > 0 {
        let least = bits.zigzag()?;
        let widths = data.get(bits.at..bits.at + usize::try_from(minis).ok()?)?;
        bits.at += widths.len();
        for width in widths.iter().copied() {
            let here = each.min(left);
            if here == 0 {
                break;
            }
            if width > 32 {
                return None;
            }
            for place in 0..here {
                let delta = bits.bits(place * usize::from(width), u32::from(width));
                value = value.wrapping_add(least).wrapping_add(delta);
                total += shared(value);
            }
            bits.at += each.checked_mul(usize::from(width))? / 8;
            left -= here;
        }
    }
    Some((total, bits.at.min(data.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths as a writer packs them: blocks of 128 in four parts, each part with so many bits a value.
    fn packed(lengths: &[u32], width: u8) -> Vec<u8> {
        let mut bytes = vec![0x80, 1, 4, u8::try_from(lengths.len()).unwrap(), u8::try_from(lengths[0] * 2).unwrap()];
        let deltas: Vec<u32> = lengths.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        for block in deltas.chunks(128) {
            let parts: Vec<&[u32]> = block.chunks(32).collect();
            bytes.push(0);
            bytes.extend((0..4).map(|part| if part < parts.len() { width } else { 0 }));
            for part in parts {
                let mut room = vec![0_u8; 4 * usize::from(width)];
                for (at, delta) in part.iter().enumerate() {
                    for bit in (0..usize::from(width)).filter(|bit| delta >> bit & 1 == 1) {
                        let place = at * usize::from(width) + bit;
                        room[place / 8] |= 1 << (place % 8);
                    }
                }
                bytes.extend(room);
            }
        }
        bytes
    }

    #[test]
    fn shared_lengths_are_added_and_the_suffixes_counted() {
        let shared: Vec<u32> = (0..100).map(|length| length % 50).collect();
        let mut data = packed(&shared, 32);
        let total = shared.iter().map(|length| u64::from(*length)).sum();
        assert_eq!(sum(&data, 100), Some((total, data.len())));
        data.extend(packed(&[7; 100], 3));
        assert_eq!(unfolded(&data, 100), Some(total));
        assert!(unfolded(&data, 99).is_none() && !has_lengths(&data, 99) && has_lengths(&data, 100));
    }

    #[test]
    fn a_length_that_is_negative_or_too_long_shares_all_there_is() {
        let data = packed(&[0, u32::MAX, 1 << 30], 32);
        assert_eq!(sum(&data, 3).map(|(total, _)| total), Some(2 * data.len() as u64));
    }

    #[test]
    fn counts_without_values_are_refused() {
        // 2⁴⁰ values in no bits at all.
        let many = [0x80, 1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0, 0, 0, 0, 0, 0];
        assert!(unfolded(&many, 10).is_none() && !has_lengths(&many, 10));
        assert!(unfolded(&[0x80, 1, 0, 1, 0], 10).is_none() && unfolded(&[], 10).is_none());
    }
}
