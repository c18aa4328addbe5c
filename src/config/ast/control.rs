//! `control`: the sockets for operators, and who may do what.

use std::collections::BTreeMap;

use super::super::diagnostic::Diagnostic;
use super::super::model::{Control, Name, Role};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;

/// What it says, or the defaults.
pub(crate) fn read(root: Block<'_>) -> Control {
    let r = root.one_or_defaults("control");
    Control {
        socket: r.file("socket").flatten(),
        mode: r.value("mode", Typed::mode),
        group: r.get("group", Typed::text).map(Into::into),
        read_socket: r.file("read-socket").flatten(),
        read_mode: r.value("read-mode", Typed::mode),
        grants: grants(r.block()),
    }
}

fn grants(block: Block<'_>) -> BTreeMap<Name, Role> {
    let mut grants = BTreeMap::new();
    for r in block.all("grant") {
        let role = r.get("role", Typed::word).map(|word| match word {
            "admin" => Role::Admin,
            "operate" => Role::Operate,
            _ => Role::Read,
        });
        let user: Option<Name> = r.get("user", Typed::text).map(Into::into);
        missing(r, "user");
        missing(r, "role");
        let (Some(user), Some(role)) = (user, role) else { continue };
        if grants.insert(user.clone(), role).is_some() {
            let error = Diagnostic::error("LB105", r.span(), format!("user `{user}` has two roles"));
            r.cx.push(error.label("again here").help("keep one of them"));
        }
    }
    grants
}

fn missing(r: Reader<'_>, key: &str) {
    if r.written(key).is_none() {
        let error = Diagnostic::error("LB102", r.span(), format!("`grant` needs `{key}=`"));
        r.cx.push(error.label("incomplete").help("write `grant user=ops role=operate`"));
    }
}
