//! The fields of a head: an arena of bytes with a list of spans over it.
//!
//! Order, case and repetition are kept as received. Not a map: a proxy reads few names and writes all.

use super::cookies;
use super::known::{Known, KnownSet};

/// The most memory that an arena keeps when it is cleared: one unusual head must not weigh for ever.
const KEPT: usize = 16 * 1024;

/// A range of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::proxy) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// From `start` up to `end`.
    pub(in crate::proxy) fn new(start: usize, end: usize) -> Span {
        debug_assert!(u32::try_from(end).is_ok(), "an arena is far smaller than 4 GiB");
        Span { start: start as u32, end: end as u32 }
    }

    /// Its first bytes.
    pub(in crate::proxy) fn first(self, length: usize) -> Span {
        Span::new(self.start as usize, self.start as usize + length)
    }

    /// Whether both begin at the same byte, and this one is not empty.
    pub(super) fn begins_as(self, other: Span) -> bool {
        self.start == other.start && self.start < self.end
    }

    /// As a range for slicing.
    pub(in crate::proxy) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    known: Known,
    /// `name: value` and the line's end stand in the arena just so.
    verbatim: bool,
    name: Span,
    value: Span,
}

/// One field, as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// What the name means to the proxy.
    pub known: Known,
    /// The name in its original case.
    pub name: &'a [u8],
    /// The value without the white space around it.
    pub value: &'a [u8],
}

/// A field where it stands: its texts are looked up when they are asked for, which for most is never.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct Standing<'a> {
    fields: &'a Fields,
    entry: &'a Entry,
}

impl<'a> Standing<'a> {
    /// What the name means to the proxy.
    pub(in crate::proxy) fn known(self) -> Known {
        self.entry.known
    }

    /// The name in its original case.
    pub(in crate::proxy) fn name(self) -> &'a [u8] {
        self.fields.slice(self.entry.name)
    }
}

/// What becomes of a field on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Fate {
    /// It goes on as it came.
    Stays,
    /// It ends here.
    Goes,
    /// It is written anew.
    Edited,
}

/// All fields of a head, in order.
#[derive(Debug, Default)]
pub struct Fields {
    arena: Vec<u8>,
    list: Vec<Entry>,
    present: KnownSet,
    /// Known names that stand here more than once.
    repeated: KnownSet,
}

impl Fields {
    /// Forgets everything and keeps the memory, unless it is unusually much.
    pub fn clear(&mut self) {
        self.arena.clear();
        if self.arena.capacity() > KEPT {
            self.arena.shrink_to(KEPT);
        }
        self.list.clear();
        (self.present, self.repeated) = (KnownSet::EMPTY, KnownSet::EMPTY);
    }

    /// Appends a field. The caller vouches for the syntax of both parts.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_known(Known::of(name), name, value);
    }

    /// Appends a field whose name is recognised already. It stands in the arena as the line that it is passed on as.
    pub(in crate::proxy) fn push_known(&mut self, known: Known, name: &[u8], value: &[u8]) {
        self.arena.reserve(name.len() + value.len() + 4);
        let name = self.store(name);
        self.store(b": ");
        let value = self.store(value);
        self.store(b"\r\n");
        self.index_line(known, name, value);
    }

    /// The fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        self.list.iter().map(|entry| self.field(entry))
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a field of that name stands here.
    #[must_use]
    pub fn has(&self, known: Known) -> bool {
        self.present.has(known)
    }

    /// Whether more than one field of that name stands here.
    #[must_use]
    pub fn repeats(&self, known: Known) -> bool {
        self.repeated.has(known)
    }

    /// Whether a field of any of those names stands here.
    #[must_use]
    pub fn has_any(&self, names: KnownSet) -> bool {
        self.present.meets(names)
    }

    /// Whether more than one field of any of those names stands here.
    #[must_use]
    pub fn repeats_any(&self, names: KnownSet) -> bool {
        self.repeated.meets(names)
    }

    /// The values of the fields of that known name, in order.
    pub fn all(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.all_spans(known).map(|value| self.slice(value))
    }

    /// Where the values of that known name stand, in order.
    pub(super) fn all_spans(&self, known: Known) -> impl Iterator<Item = Span> {
        let list = if self.has(known) { self.list.as_slice() } else { &[] };
        list.iter().filter(move |entry| entry.known == known).map(|entry| entry.value)
    }

    /// The value of the first field of that known name.
    #[must_use]
    pub fn get(&self, known: Known) -> Option<&[u8]> {
        self.all(known).next()
    }

    /// Whether any field of that name (in any case) passes the test.
    pub fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.iter().any(|field| field.name.eq_ignore_ascii_case(name.as_bytes()) && test(field.value))
    }

    /// Whether any cookie of exactly that name, over all `Cookie` fields, passes the test.
    pub fn any_cookie(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.all(Known::Cookie).any(|value| cookies::any_cookie(value, name.as_bytes(), test))
    }

    /// The members of a comma-separated list, over all fields of that name.
    pub fn tokens(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.all(known).flat_map(Tokens::new)
    }

    /// Takes a whole head into the arena, from which spans are then indexed.
    pub(in crate::proxy) fn adopt(&mut self, head: &[u8]) {
        self.clear();
        self.arena.extend_from_slice(head);
    }

    /// Appends bytes to the arena.
    pub(in crate::proxy) fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        Span::new(start, self.arena.len())
    }

    /// Adds a field whose parts stand in the arena already.
    pub(in crate::proxy) fn index(&mut self, name: Span, value: Span) {
        let known = Known::of(self.slice(name));
        let is = |from: u32, text: &[u8]| self.arena.get(from as usize..from as usize + 2) == Some(text);
        let verbatim = value.start == name.end + 2 && is(name.end, b": ") && is(value.end, b"\r\n");
        self.add(Entry { known, verbatim, name, value });
    }

    /// Adds a field that is written `name: value` with its line's end, where these will stand in the arena.
    pub(in crate::proxy) fn index_line(&mut self, known: Known, name: Span, value: Span) {
        self.add(Entry { known, verbatim: true, name, value });
    }

    /// Where the first field ends, if it has that name and came as a plain line that begins there.
    pub(super) fn first_line(&self, begin: usize, known: Known) -> Option<usize> {
        let first = self.list.first()?;
        let is_it = first.known == known && first.verbatim && first.name.start as usize == begin;
        is_it.then_some(first.value.end as usize + 2)
    }

    /// Appends what was stored from `lines`, then the fields that stay, in order; `write` writes those that are edited, or
    /// did not come as a plain line.
    /// Lines that came one behind the other and stay are one copy: of eight fields of an answer these are three.
    pub(in crate::proxy) fn pass_on(
        &self,
        mut lines: std::ops::Range<usize>,
        fate: impl Fn(Standing<'_>) -> Fate,
        write: impl Fn(&Field<'_>, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        for entry in &self.list {
            let line = entry.name.start as usize..entry.value.end as usize + 2;
            match fate(Standing { fields: self, entry }) {
                Fate::Goes => {}
                Fate::Stays if entry.verbatim && lines.end == line.start => lines.end = line.end,
                Fate::Stays if entry.verbatim => {
                    out.extend_from_slice(&self.arena[lines]);
                    lines = line;
                }
                Fate::Stays | Fate::Edited => {
                    out.extend_from_slice(&self.arena[std::mem::take(&mut lines)]);
                    write(&self.field(entry), out);
                }
            }
        }
        out.extend_from_slice(&self.arena[lines]);
    }

    /// The bytes of a span.
    pub(in crate::proxy) fn slice(&self, span: Span) -> &[u8] {
        &self.arena[span.range()]
    }

    fn add(&mut self, entry: Entry) {
        if self.present.has(entry.known) {
            self.repeated.insert(entry.known);
        }
        self.present.insert(entry.known);
        self.list.push(entry);
    }

    fn field(&self, entry: &Entry) -> Field<'_> {
        let Entry { known, name, value, .. } = *entry;
        Field { known, name: self.slice(name), value: self.slice(value) }
    }
}

/// The members of one comma-separated value, without the white space around them; empty members are skipped.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Tokens<'a> {
    /// Over this value.
    #[must_use]
    pub fn new(value: &'a [u8]) -> Tokens<'a> {
        Tokens { rest: Some(value) }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let Some(rest) = self.rest {
            let (member, after) = match memchr::memchr(b',', rest) {
                Some(comma) => (&rest[..comma], Some(&rest[comma + 1..])),
                None => (rest, None),
            };
            self.rest = after;
            let member = member.trim_ascii();
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_for_the_next_head_but_not_all_of_it() {
        let mut fields = Fields::default();
        let fill = |fields: &mut Fields, value: &[u8]| (0..10).for_each(|_| fields.push(b"name", value));
        fill(&mut fields, b"value");
        let before = (fields.arena.as_ptr(), fields.list.as_ptr());
        fields.clear();
        assert!(fields.is_empty() && !fields.has(Known::Other));
        fill(&mut fields, b"value");
        assert_eq!((fields.arena.as_ptr(), fields.list.as_ptr()), before);
        fill(&mut fields, &[b'x'; 8000]);
        assert!(fields.arena.capacity() > 80_000);
        fields.clear();
        assert!((KEPT..80_000).contains(&fields.arena.capacity()));
    }

    #[test]
    fn tokens_are_the_members_of_a_list() {
        let members: Vec<_> = Tokens::new(b" a,\tb c ,,d=\"e\" , ").collect();
        assert_eq!(members, [&b"a"[..], b"b c", b"d=\"e\""]);
        assert_eq!(Tokens::new(b"").next(), None);
    }
}
