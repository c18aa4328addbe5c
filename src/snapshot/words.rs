//! What a route does, in a few words: for lists, explanations and logs.

use std::fmt;

use super::{ActionSnap, SplitSnap};

impl fmt::Display for ActionSnap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActionSnap::Pool(pool) => write!(f, "pool {}", pool.pool.name),
            ActionSnap::Split(split) => write!(f, "split {split}"),
            ActionSnap::Redirect { status, .. } => write!(f, "redirect {status}"),
            ActionSnap::Respond { status, .. } => write!(f, "respond {status}"),
        }
    }
}

/// `stable 95, canary 5`
impl fmt::Display for SplitSnap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, branch) in self.branches().iter().enumerate() {
            if let ActionSnap::Pool(pool) = &branch.route.action {
                write!(f, "{}{} {}", if at == 0 { "" } else { ", " }, pool.pool.name, branch.weight)?;
            }
        }
        Ok(())
    }
}
