//! Who calls, and what that one may do.
//!
//! The kernel says which uid connected; its supplementary groups it does not say, so rights by group are the modes
//! of the socket files, and grants by name refine them.

use std::collections::BTreeMap;
use std::path::Path;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look; client addresses and sticky keys are shortened.
    Read,
    /// And drain, weigh, clear.
    Operate,
    /// And reload and stop.
    Admin,
}

impl Role {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// Roles by user name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(pub BTreeMap<String, Role>);

impl Grants {
    /// The role of a caller of the main socket. Root and the daemon's own user are not refined: they could stop the
    /// process anyway. Whoever else can open the socket and is not named has all rights: the modes gave them.
    pub(super) fn role(&self, uid: u32, own: u32, user: Option<&str>) -> Role {
        if uid == 0 || uid == own {
            return Role::Admin;
        }
        user.and_then(|user| self.0.get(user)).copied().unwrap_or(Role::Admin)
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) uid: u32,
    /// For the log only: a number may be used again.
    pub(super) pid: Option<i32>,
    pub(super) user: Option<String>,
    pub(super) role: Role,
}

impl Caller {
    /// How log and events name the caller.
    pub(super) fn actor(&self) -> String {
        self.user.clone().unwrap_or_else(|| format!("uid {}", self.uid))
    }
}

impl Caller {
    /// Whether the caller could run any program as this process anyway.
    pub(super) fn may_name_programs(&self) -> bool {
        self.uid == 0 || self.uid == rustix::process::geteuid().as_raw()
    }
}

/// The name of a user in the local password file.
pub(super) fn user_of(uid: u32) -> Option<String> {
    let text = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    find_user(&text, uid).map(str::to_owned)
}

/// Whether this machine has a group of that name.
pub fn has_group(name: &str) -> bool {
    group_of(name).is_some()
}

/// The number of a group in the local group file.
pub(super) fn group_of(name: &str) -> Option<u32> {
    let text = std::fs::read_to_string(Path::new("/etc/group")).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

fn find_user(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_number() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\n# note\nann:x:1000:100::/home/ann:\nbroken\nbob:x:1001\n";
        assert_eq!(find_user(passwd, 0), Some("root"));
        assert_eq!(find_user(passwd, 1000), Some("ann"));
        assert_eq!(find_user(passwd, 1001), Some("bob"));
        assert_eq!(find_user(passwd, 100), None);
    }

    #[test]
    fn grants_refine_by_name() {
        let grants = Grants([("ann".to_owned(), Role::Operate), ("eve".to_owned(), Role::Read)].into());
        let check =
            |uid, user: Option<&str>, expected| assert_eq!(grants.role(uid, 500, user), expected, "{user:?}");
        check(1000, Some("ann"), Role::Operate);
        check(1001, Some("eve"), Role::Read);
        check(1002, Some("bob"), Role::Admin);
        check(1003, None, Role::Admin);
        check(0, Some("eve"), Role::Admin);
        check(500, Some("eve"), Role::Admin);
    }
}
