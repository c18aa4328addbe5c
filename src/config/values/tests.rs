//! Tables and properties of the texts that stand for quantities.
