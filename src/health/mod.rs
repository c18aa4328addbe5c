//! Asking servers whether they are well.
