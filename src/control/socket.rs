//! How a control socket comes into the world and leaves it.
//!
//! It is bound under another name, given its group and mode, renamed into place, and only then listens: there is no
//! moment at which somebody without rights could connect. A file that a dead daemon left is replaced; a living
//! daemon's is not.

use super::role::group_of;
use socket2::{Domain, SockAddr, Socket, Type};
use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::net::UnixListener;

/// What the kernel takes as the path of a socket, without its final zero.
const LONGEST: usize = 107;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 32;

/// What a socket lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// What the caller's role allows.
    ByRole,
    /// `GET`, with the role `read`.
    ReadOnly,
}

/// A socket to be.
#[derive(Clone, Debug)]
pub struct SocketSettings {
    /// Where.
    pub path: PathBuf,
    /// Its mode, such as `0o660`.
    pub mode: u32,
    /// Its group; the process's own when absent.
    pub group: Option<String>,
    /// What it lets in.
    pub access: Access,
    /// Whether a socket that answers there is our own, to be replaced.
    pub replace: bool,
}

/// A socket that exists. Its file goes when this is dropped, unless another has taken its place.
#[derive(Debug)]
pub struct Bound {
    pub(super) listener: UnixListener,
    pub(super) access: Access,
    path: PathBuf,
    file: Owned,
}

/// The file of a socket, as device and number, while it is ours to remove.
type Owned = Rc<Cell<Option<(u64, u64)>>>;

/// Another hold on a socket that is served: to hand it to another process.
#[derive(Debug)]
pub struct Hold {
    /// The socket.
    pub socket: OwnedFd,
    file: Owned,
}

impl Hold {
    /// The file stays when this process closes the socket.
    pub fn leave_file(&self) {
        self.file.set(None);
    }
}

/// Why there is no socket.
#[derive(Debug)]
pub enum BindError {
    /// The path is longer than the kernel takes.
    TooLong(PathBuf),
    /// A daemon answers there.
    AnotherRuns(PathBuf),
    /// Something that is no socket stands there.
    NotASocket(PathBuf),
    /// There is no such group.
    NoGroup(String),
    /// The system says no.
    Io {
        /// To what.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes a socket. Must be called within a runtime.
pub fn bind(settings: &SocketSettings) -> Result<Bound, BindError> {
    let path = &settings.path;
    let mut newborn = path.clone().into_os_string();
    newborn.push(".new");
    let newborn = PathBuf::from(newborn);
    if newborn.as_os_str().as_bytes().len() > LONGEST {
        return Err(BindError::TooLong(path.clone()));
    }
    if !settings.replace {
        look_for_another(path)?;
    }
    remove_leftover(&newborn)?;
    let made = make(settings, &newborn);
    if made.is_err() {
        // Best effort: the reason for the failure is what counts.
        let _ = std::fs::remove_file(&newborn);
    }
    made
}

/// Takes a socket that another process bound and listens on. Its file stays until [`Bound::own`] was called. Must be
/// called within a runtime.
pub fn adopt(settings: &SocketSettings, socket: OwnedFd) -> io::Result<Bound> {
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    let (access, path) = (settings.access, settings.path.clone());
    Ok(Bound { listener: UnixListener::from_std(listener)?, access, path, file: Owned::default() })
}

impl Bound {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on the file goes with this.
    pub fn own(&self) {
        let file = std::fs::symlink_metadata(&self.path).ok();
        self.file.set(file.map(|file| (file.dev(), file.ino())));
    }

    /// Another hold on it.
    pub fn hold(&self) -> io::Result<Hold> {
        let socket = self.listener.as_fd().try_clone_to_owned()?;
        Ok(Hold { socket, file: Rc::clone(&self.file) })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let Some(own) = self.file.get() else { return };
        if std::fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == own) {
            // Nobody is left to be told; the next start replaces a leftover.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(path) => {
                write!(
                    f,
                    "the socket path {} is too long: at most {} bytes",
                    path.display(),
                    LONGEST - ".new".len()
                )
            }
            Self::AnotherRuns(path) => write!(f, "another lbd is running: it answers on {}", path.display()),
            Self::NotASocket(path) => write!(f, "{} exists and is not a socket", path.display()),
            Self::NoGroup(group) => write!(f, "there is no group `{group}` for the control socket"),
            Self::Io { doing, path, source } => write!(f, "cannot {doing} {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for BindError {}

fn make(settings: &SocketSettings, newborn: &Path) -> Result<Bound, BindError> {
    let path = &settings.path;
    let fail = |doing, path: &Path| {
        let path = path.to_path_buf();
        move |source| BindError::Io { doing, path, source }
    };
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(fail("make the socket", path))?;
    let address = SockAddr::unix(newborn).map_err(fail("bind", newborn))?;
    socket.bind(&address).map_err(fail("bind", newborn))?;
    if let Some(group) = &settings.group {
        let gid = group_of(group).ok_or_else(|| BindError::NoGroup(group.clone()))?;
        chown(newborn, None, Some(gid)).map_err(fail("set the group of", newborn))?;
    }
    let mode = std::fs::Permissions::from_mode(settings.mode & 0o777);
    std::fs::set_permissions(newborn, mode).map_err(fail("set the mode of", newborn))?;
    let file = std::fs::symlink_metadata(newborn).map_err(fail("look at", newborn))?;
    std::fs::rename(newborn, path).map_err(fail("rename the socket to", path))?;
    socket.listen(BACKLOG).map_err(fail("listen on", path))?;
    socket.set_nonblocking(true).map_err(fail("listen on", path))?;
    let listener =
        UnixListener::from_std(std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket)));
    let listener = listener.map_err(fail("listen on", path))?;
    let file = Rc::new(Cell::new(Some((file.dev(), file.ino()))));
    Ok(Bound { listener, access: settings.access, path: path.clone(), file })
}

fn look_for_another(path: &Path) -> Result<(), BindError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(BindError::Io { doing: "look at", path: path.to_path_buf(), source }),
        Ok(file) if !file.file_type().is_socket() => return Err(BindError::NotASocket(path.to_path_buf())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(BindError::AnotherRuns(path.to_path_buf())),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            Ok(())
        }
        Err(source) => Err(BindError::Io { doing: "ask who listens on", path: path.to_path_buf(), source }),
    }
}

fn remove_leftover(newborn: &Path) -> Result<(), BindError> {
    match std::fs::remove_file(newborn) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(BindError::Io { doing: "remove the leftover", path: newborn.to_path_buf(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(path: &Path) -> SocketSettings {
        SocketSettings {
            path: path.to_path_buf(),
            mode: 0o640,
            group: None,
            access: Access::ByRole,
            replace: false,
        }
    }

    #[tokio::test]
    async fn it_has_its_mode_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        let bound = bind(&settings(&path)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert!(!dir.path().join("c.sock.new").exists());
        UnixStream::connect(&path).unwrap();
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_living_daemon_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        let _bound = bind(&settings(&path)).unwrap();
        let error = bind(&settings(&path)).unwrap_err();
        assert!(matches!(error, BindError::AnotherRuns(_)), "{error}");
        assert!(error.to_string().starts_with("another lbd is running"));
        UnixStream::connect(&path).expect("the first still answers");
    }

    #[tokio::test]
    async fn what_a_dead_daemon_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        drop(std::os::unix::net::UnixListener::bind(dir.path().join("c.sock.new")).unwrap());
        let bound = bind(&settings(&path)).unwrap();
        UnixStream::connect(bound.path()).unwrap();
    }

    #[tokio::test]
    async fn a_successor_keeps_its_file_when_the_predecessor_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        let first = bind(&settings(&path)).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _second = bind(&settings(&path)).unwrap();
        drop(first);
        UnixStream::connect(&path).expect("the second still answers");
    }

    #[tokio::test]
    async fn our_own_socket_may_be_replaced_while_it_answers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        let first = bind(&settings(&path)).unwrap();
        let wider = SocketSettings { mode: 0o660, replace: true, ..settings(&path) };
        let _second = bind(&wider).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        drop(first);
        UnixStream::connect(&path).expect("the second stays when the first goes");
    }

    #[tokio::test]
    async fn a_socket_that_was_handed_on_keeps_its_file_and_its_queue() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        let first = bind(&settings(&path)).unwrap();
        let hold = first.hold().unwrap();
        let refused = adopt(&settings(&path), hold.socket.try_clone().unwrap()).unwrap();
        drop(refused);
        assert!(path.exists(), "who did not come to own it does not remove it");
        let second = adopt(&settings(&path), hold.socket.try_clone().unwrap()).unwrap();
        let _waiting = UnixStream::connect(&path).unwrap();
        hold.leave_file();
        drop((first, hold));
        second.own();
        second.listener.accept().await.expect("who connected before is still there");
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_cannot_be_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(bind(&settings(&file)), Err(BindError::NotASocket(_))));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
        let long = dir.path().join("x".repeat(100));
        assert!(matches!(bind(&settings(&long)), Err(BindError::TooLong(_))));
        let nowhere = dir.path().join("none/c.sock");
        assert!(matches!(bind(&settings(&nowhere)), Err(BindError::Io { .. })));
        let group = SocketSettings { group: Some("no such group".into()), ..settings(&dir.path().join("g")) };
        assert!(matches!(bind(&group), Err(BindError::NoGroup(_))));
        assert!(!dir.path().join("g.new").exists());
    }
}
