//! The one hash table of a tree: (parent, text) -> number, looked up without an allocation.
//!
//! When it folds, it is blind to ASCII case: texts are kept in lower case, questions are folded eight
//! bytes at a time while they are hashed. Its keys come from a configuration, so no seed is needed: a
//! request can ask, but cannot put anything in.

/// Answers for at most 2^31 pairs.
#[derive(Debug, Clone)]
pub(super) struct Table {
    folds: bool,
    /// Indexes of `edges` plus one; zero is free. A power of two, at most half full.
    slots: Vec<u32>,
    edges: Vec<Edge>,
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    parent: u32,
    hash: u32,
    start: u32,
    end: u32,
    value: u32,
}

impl Table {
    pub(super) fn new(folds: bool) -> Self {
        Table { folds, slots: vec![0; 16], edges: Vec::new(), text: Vec::new() }
    }

    /// The value of a pair.
    pub(super) fn get(&self, parent: u32, text: &[u8]) -> Option<u32> {
        if self.edges.is_empty() {
            return None;
        }
        let hash = hash(parent, text, self.folds);
        let mut at = hash as usize & (self.slots.len() - 1);
        loop {
            let index = self.slots[at].checked_sub(1)?;
            let edge = &self.edges[index as usize];
            if edge.hash == hash && edge.parent == parent && self.is(edge, text) {
                return Some(edge.value);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Adds a pair that is not there yet.
    pub(super) fn insert(&mut self, parent: u32, text: &[u8], value: u32) {
        if (self.edges.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let start = self.text.len();
        self.text.extend_from_slice(text);
        if self.folds {
            self.text[start..].make_ascii_lowercase();
        }
        let hash = hash(parent, text, self.folds);
        self.edges.push(Edge { parent, hash, start: short(start), end: short(self.text.len()), value });
        self.place(hash, short(self.edges.len()));
    }

    fn is(&self, edge: &Edge, text: &[u8]) -> bool {
        let kept = &self.text[edge.start as usize..edge.end as usize];
        if self.folds { kept.eq_ignore_ascii_case(text) } else { kept == text }
    }

    fn grow(&mut self) {
        self.slots = vec![0; self.slots.len() * 2];
        for index in 0..self.edges.len() {
            self.place(self.edges[index].hash, short(index + 1));
        }
    }

    fn place(&mut self, hash: u32, number: u32) {
        let mut at = hash as usize & (self.slots.len() - 1);
        while self.slots[at] != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = number;
    }
}

/// An index as the tree keeps it.
pub(super) fn short(index: usize) -> u32 {
    u32::try_from(index).expect("a configuration holds less than 4 GiB of patterns")
}

fn hash(parent: u32, text: &[u8], folds: bool) -> u32 {
    let mut state = mix(u64::from(parent) << 32 | u64::from(text.len() as u32));
    let (words, tail) = text.as_chunks::<8>();
    let last = tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain([last]) {
        state = mix(state ^ if folds { lower(word) } else { word });
    }
    (state >> 32) as u32
}

fn mix(value: u64) -> u64 {
    let product = u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    product as u64 ^ (product >> 64) as u64
}

/// Eight bytes in ASCII lower case.
fn lower(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let ascii = word & (ONES * 0x7f);
    let from_a = ascii + ONES * (0x80 - b'A' as u64);
    let after_z = ascii + ONES * (0x7f - b'Z' as u64);
    let upper = from_a & !after_z & !word & (ONES * 0x80);
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_folds_as_ascii_does() {
        for byte in 0..=255_u8 {
            for at in 0..8 {
                let mut word = *b"A\xffz@[`{Z";
                word[at] = byte;
                assert_eq!(lower(u64::from_le_bytes(word)).to_le_bytes(), word.to_ascii_lowercase()[..]);
            }
        }
    }

    #[test]
    fn finds_what_was_put_in_and_nothing_else() {
        for folds in [false, true] {
            let mut table = Table::new(folds);
            for number in 0..1000 {
                table.insert(number % 7, format!("Text-{number}").as_bytes(), number);
            }
            for number in 0..1000 {
                let text = format!("Text-{number}");
                assert_eq!(table.get(number % 7, text.as_bytes()), Some(number));
                assert_eq!(table.get(number % 7 + 1, text.as_bytes()), None);
                assert_eq!(table.get(number % 7, text.to_uppercase().as_bytes()), folds.then_some(number));
            }
            assert_eq!(table.get(0, b""), None);
        }
    }
}
