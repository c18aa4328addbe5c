//! How the path conditions of one file lie to each other, each pair worked out once: hosts and listeners ask again.

use std::cell::RefCell;

use super::expr::{Atom, TextTest};
use super::paths::{Relation, relation};

/// Conditions whose pairs are kept; of more than these, each is worked out when it is asked for.
const MOST: usize = 2000;

/// The path conditions of a file.
pub(super) struct Relations<'a> {
    atoms: &'a [Atom],
    /// The place of an atom in `known`; none for what is not about the path.
    place: Vec<Option<usize>>,
    side: usize,
    known: RefCell<Vec<Option<Relation>>>,
}

impl<'a> Relations<'a> {
    pub(super) fn new(atoms: &'a [Atom]) -> Self {
        let mut side = 0;
        let mut number = |atom: &Atom| {
            let is_path = matches!(atom, Atom::Path(_)) && side < MOST;
            side += usize::from(is_path);
            is_path.then(|| side - 1)
        };
        let place = atoms.iter().map(&mut number).collect();
        Self { atoms, place, side, known: RefCell::new(vec![None; side * side]) }
    }

    /// The condition on paths that an atom is.
    pub(super) fn path(&self, atom: usize) -> Option<&'a TextTest> {
        match &self.atoms[atom] {
            Atom::Path(test) => Some(test),
            _ => None,
        }
    }

    /// What is known of `other` where `this` holds; for atoms that are not both about the path, nothing.
    pub(super) fn of(&self, this: usize, other: usize) -> Relation {
        let (Some(one), Some(two)) = (self.path(this), self.path(other)) else { return Relation::Both };
        let (Some(row), Some(column)) = (self.place[this], self.place[other]) else {
            return relation(one, two);
        };
        let at = row * self.side + column;
        let known = self.known.borrow()[at];
        known.unwrap_or_else(|| {
            let found = relation(one, two);
            self.known.borrow_mut()[at] = Some(found);
            found
        })
    }
}
