//! `compress`, of a site or a route.

use super::super::diagnostic::Diagnostic;
use super::super::model::{Coding, Compress};
use super::super::reader::Block;
use super::super::values::typed::Typed;

/// What a block says: the outer `None` when it says nothing, the inner for `off`.
pub(super) fn read(block: Block<'_>) -> Option<Option<Compress>> {
    let r = block.one("compress")?;
    let min_size = r.value("min-size", Typed::size_off).unwrap_or_default();
    let words = r.args(Typed::word);
    if let Some(off) = words.iter().find(|word| word.value == "off") {
        r.refuse(&["min-size"], "`compress off`");
        if words.len() > 1 {
            let error = Diagnostic::error("LB102", off.span, "`off` stands alone");
            r.cx.push(error.label("and algorithms beside it").help("write `compress off`, or remove `off`"));
        }
        return Some(None);
    }
    let mut codings = Vec::new();
    for word in words {
        let coding = match word.value {
            "zstd" => Coding::Zstd,
            "br" => Coding::Brotli,
            _ => Coding::Gzip,
        };
        if codings.contains(&coding) {
            let error = Diagnostic::error("LB105", word.span, format!("`{}` stands here twice", word.value));
            r.cx.push(error.label("again here").help("remove it"));
            continue;
        }
        codings.push(coding);
    }
    if codings.is_empty() {
        codings = Coding::ALL.to_vec();
    }
    Some(Some(Compress { codings, min_size }))
}
