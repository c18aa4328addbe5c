//! Files that lie beside every example of a page, for what no page can spell out (certificates have a date).

use std::path::Path;

/// Writes them into `directory`.
pub(super) fn write(directory: &Path) {
    // An example that needs one more names it here and in its text.
    std::fs::write(directory.join("soon.html"), "<p>soon").unwrap();
}
