//! Folders and files: the state directory, the control socket, and whether edits of the files are seen at once.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify;
use rustix::io::Errno;

use super::Line;
use super::running::Running;
use crate::config::model::Model;
use crate::config::source::Sources;
use crate::tls;

/// Less free space than this ends soon.
const LITTLE: u64 = 64 << 20;
/// File systems whose other users' changes bring no events here (statfs(2)).
const REMOTE: &[(i64, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB 2"),
    (0x0102_1997, "9P"),
    (0x6573_5546, "FUSE"),
    (0x00c3_6400, "Ceph"),
];

/// The control socket.
pub(super) fn control(model: &Model, running: &Running) -> Vec<Line> {
    let line = match running {
        Running::Yes { socket, about } => {
            let what = format!("lbd {} answers on {}, process {}", about.lbd, socket.display(), about.pid);
            Line::ok("control", what)
        }
        Running::No { socket } => reach(socket),
        Running::Mute { socket, why } => {
            Line::warn("control", format!("{} does not answer", socket.display()))
                .why(why.clone())
                .mend("as root, or as a member of the socket's group: sudo adduser $USER lbd")
                .mend("one that a process left behind is replaced when lbd starts")
        }
    };
    let open_to_all = model.control.mode & 0o006 != 0;
    let open = open_to_all.then(|| {
        Line::warn(
            "control",
            format!("every user of this machine may steer lbd: mode={:04o}", model.control.mode),
        )
        .mend("leave mode out (0660), and put operators into the group; read-socket is for everybody")
    });
    std::iter::once(line).chain(open).collect()
}

/// Whether the socket can be made.
fn reach(socket: &Path) -> Line {
    let folder = socket.parent().unwrap_or(Path::new("."));
    let name = socket.display();
    match nearest(folder) {
        Some(there) if is_writable(there) => {
            Line::ok("control", format!("nobody serves yet; {name} can be made"))
        }
        _ => Line::warn("control", format!("nobody serves yet, and this user cannot make {name}"))
            .why("lbd serves without it, and lbctl cannot talk to it")
            .mend("in the unit: RuntimeDirectory=lbd")
            .mend("or elsewhere: control socket=\"/path/control.sock\""),
    }
}

/// The state directory.
pub(super) fn state(dir: Option<&Path>) -> Vec<Line> {
    let Some(dir) = dir else {
        let line = Line::warn("state", "there is no state directory")
            .why("keys, wishes of operators and the last good configurations end with the process")
            .mend("lbd run --state-dir DIR, or LBD_STATE_DIR; in the unit: StateDirectory=lbd");
        return vec![line];
    };
    let name = dir.display();
    if !dir.exists() {
        return vec![match nearest(dir) {
            Some(there) if is_writable(there) => Line::ok("state", format!("{name} will be made")),
            _ => unwritable(dir),
        }];
    }
    if !dir.is_dir() || !is_writable(dir) {
        return vec![unwritable(dir)];
    }
    let free =
        rustix::fs::statvfs(dir).map_or(u64::MAX, |about| about.f_bavail.saturating_mul(about.f_frsize));
    vec![space(dir, free)].into_iter().chain(secrets(dir)).collect()
}

fn space(dir: &Path, free: u64) -> Line {
    let what = format!("{} can be written, {} MiB are free", dir.display(), free >> 20);
    match free < LITTLE {
        false => Line::ok("state", what),
        true => Line::warn("state", what)
            .why("sticky entries and generations could not be written down")
            .mend(format!("df -h {}; lbd keeps as many generations as reload history= says", dir.display())),
    }
}

fn unwritable(dir: &Path) -> Line {
    Line::fail("state", format!("{} cannot be written by this user", dir.display()))
        .why("lbd does not start without a place for its keys, once one is named")
        .mend(format!("sudo install -d -o lbd -g lbd -m 700 {}", dir.display()))
        .mend("in the unit: StateDirectory=lbd")
}

/// Whoever reads the keys can choose a client's server.
fn secrets(dir: &Path) -> Option<Line> {
    let keys = dir.join("sticky.keys");
    let mode = std::fs::metadata(&keys).ok()?.mode();
    (mode & 0o007 != 0).then(|| {
        Line::warn("state", format!("every user of this machine can read {}", keys.display()))
            .why("who has the keys can make cookies, and so choose a server")
            .mend(format!("chmod 600 {}", keys.display()))
    })
}

/// A folder, or the one above it that is there.
fn nearest(folder: &Path) -> Option<&Path> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    folder.ancestors().find(|folder| folder.exists())
}

/// Tried, not computed: rights are more than modes.
fn is_writable(dir: &Path) -> bool {
    let probe = dir.join(format!(".lbd-doctor-{}", std::process::id()));
    let made = File::create_new(&probe).is_ok();
    made && std::fs::remove_file(&probe).is_ok()
}

/// Whether edits bring events.
pub(super) fn watching(model: &Model, sources: &Sources) -> Vec<Line> {
    if !model.reload.watch {
        let line =
            Line::ok("watching", "reload watch=#false: files are read when lbctl config reload says so");
        return vec![line];
    }
    let files = sources.files().map(|(_, file)| file.path().to_owned());
    let files = files.chain(tls::inputs(model)).filter_map(|path| path.parent().map(Path::to_owned));
    let folders: BTreeSet<PathBuf> =
        files.map(|dir| if dir.as_os_str().is_empty() { ".".into() } else { dir }).collect();
    let kinds = folders.iter().map(|dir| (dir.as_path(), kind(dir)));
    let remote: Vec<Line> =
        kinds.filter_map(|(dir, kind)| Some(far(dir, kind?, model.reload.poll))).collect();
    let events = inotify::init(inotify::CreateFlags::CLOEXEC).map(drop);
    std::iter::once(instances(events, folders.len(), model.reload.poll)).chain(remote).collect()
}

/// The name of a file system from which no events come.
#[allow(clippy::useless_conversion, reason = "its width differs between architectures")]
fn kind(dir: &Path) -> Option<&'static str> {
    let about = rustix::fs::statfs(dir).ok()?;
    named(i64::try_from(about.f_type).ok()?)
}

fn named(magic: i64) -> Option<&'static str> {
    REMOTE.iter().find(|(known, _)| *known == magic & 0xffff_ffff).map(|(_, name)| *name)
}

fn far(dir: &Path, kind: &str, poll: Duration) -> Line {
    Line::warn(
        "watching",
        format!("{} is on {kind}: what others change there brings no event", dir.display()),
    )
    .why(format!("lbd looks every {poll:?} all the same"))
    .mend("for an edit that counts at once: lbctl config reload")
}

fn instances(events: Result<(), Errno>, folders: usize, poll: Duration) -> Line {
    match events {
        Ok(()) => {
            Line::ok("watching", format!("edits in {} are seen at once", super::counted(folders, "folder")))
        }
        Err(error) => {
            Line::warn("watching", format!("the kernel gives no file events to this user: {error}"))
                .why(format!("an edit is seen after up to {poll:?}"))
                .mend("sysctl -w fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::testing::{BASE, load_text};
    use crate::daemon::doctor::Verdict;

    #[test]
    fn a_state_directory_is_there_written_to_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let verdicts = |dir: Option<&Path>| state(dir).iter().map(|line| line.verdict).collect::<Vec<_>>();
        assert_eq!(verdicts(None), [Verdict::Warn]);
        assert_eq!(verdicts(Some(&dir.path().join("will/be/made"))), [Verdict::Ok]);
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(verdicts(Some(&file)), [Verdict::Fail]);
        assert_eq!(space(dir.path(), 1 << 40).verdict, Verdict::Ok);
        assert_eq!(space(dir.path(), 1 << 20).verdict, Verdict::Warn);
        let keys = dir.path().join("sticky.keys");
        std::fs::write(&keys, "").unwrap();
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(secrets(dir.path()).is_some());
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(secrets(dir.path()), None);
        assert!(std::fs::read_dir(dir.path()).unwrap().count() == 2, "nothing is left behind");
    }

    #[test]
    fn a_control_socket_is_told_with_what_is_behind_it() {
        let model = |more: &str| load_text(&format!("{BASE}{more}")).model.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("c.sock");
        let lines = |more: &str, running: &Running| -> Vec<Verdict> {
            control(&model(more), running).iter().map(|line| line.verdict).collect()
        };
        assert_eq!(lines("", &Running::No { socket: socket.clone() }), [Verdict::Ok]);
        assert_eq!(lines("", &Running::No { socket: "/proc/none/c.sock".into() }), [Verdict::Warn]);
        let mute = Running::Mute { socket, why: "refused".into() };
        assert_eq!(lines("control mode=\"0666\"", &mute), [Verdict::Warn, Verdict::Warn]);
    }

    #[test]
    fn file_systems_without_events_are_known() {
        assert_eq!(named(0x6969), Some("NFS"));
        assert_eq!(named(i64::from(0xff53_4d42_u32 as i32)), Some("CIFS"), "some kernels say it with a sign");
        assert_eq!(named(0xef53), None, "ext4");
        let poll = Duration::from_secs(2);
        assert_eq!(instances(Ok(()), 1, poll).verdict, Verdict::Ok);
        assert_eq!(instances(Err(Errno::MFILE), 1, poll).verdict, Verdict::Warn);
        let loaded = load_text(&format!("{BASE}reload watch=#false"));
        assert_eq!(watching(&loaded.model.unwrap(), &loaded.sources)[0].verdict, Verdict::Ok);
    }
}
