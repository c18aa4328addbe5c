//! `lbd demo`: two embedded servers that keep sessions in memory, a commented `demo.kdl` for them, and the
//! real daemon on that file.
//!
//! The servers live as long as the [`Demo`] does. A `demo.kdl` that somebody edited is never overwritten.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

pub mod origin;

#[cfg(test)]
mod tests;

use crate::daemon;

use origin::Origin;

/// Of a Unix socket's path; room for the `.new` that it is born with is left.
const MAX_SOCKET_PATH: usize = 107 - ".new".len();

const TEMPLATE: &str = include_str!("demo/demo.kdl");
const SEAL: &str = "// lbd demo wrote this; it is only overwritten while this line is true: ";

/// Options of `lbd demo`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where the configuration is written; made when missing
    #[arg(long, value_name = "DIR", default_value = "lbd-demo")]
    dir: PathBuf,
    /// The port to open in a browser; another one is taken when it is in use
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
}

impl Options {
    /// Starts the servers, says what to try, and runs the daemon until it is told to end.
    pub(super) fn execute(self) -> ExitCode {
        let started = tokio::runtime::Builder::new_current_thread()
            .build()
            .and_then(|runtime| runtime.block_on(start(&self.dir, self.port)));
        let demo = match started {
            Ok(demo) => demo,
            Err(error) => {
                eprintln!("error: the demonstration cannot be prepared in {}: {error}", self.dir.display());
                return ExitCode::FAILURE;
            }
        };
        println!("{}", demo.instructions);
        let ended = daemon::run(daemon::Options {
            config: demo.config_path.clone(),
            workers: None,
            state_dir: demo.config_path.parent().map(|dir| dir.join("state")),
            strict: true,
            zone: None,
        });
        // Only one that was made for the socket is empty now.
        let _ = demo.socket.parent().map(std::fs::remove_dir);
        super::exit_code(&ended)
    }
}

/// A demonstration that is ready to be balanced.
#[derive(Debug)]
pub struct Demo {
    /// The configuration to run.
    pub config_path: PathBuf,
    /// The control socket that it names.
    pub socket: PathBuf,
    /// Where the balancer will listen.
    pub listen: SocketAddr,
    /// The servers; they end when dropped.
    pub origins: Vec<Origin>,
    /// What to open and what to try, for the terminal.
    pub instructions: String,
}

/// Starts both servers and writes the configuration into `dir`, which is made when missing.
///
/// The balancer's own port is `preferred_port` when that is free on 127.0.0.1, else any free one.
///
/// # Errors
///
/// When no port can be had or `dir` cannot be written.
pub async fn start(dir: &Path, preferred_port: u16) -> io::Result<Demo> {
    std::fs::create_dir_all(dir)?;
    let dir = &dir.canonicalize()?;
    let origins = vec![Origin::start("one")?, Origin::start("two")?];
    let listen = free_address(preferred_port)?;
    let socket = socket_in(dir)?;
    let text = config_text(listen, &socket, &origins);
    let config_path = write_config(dir, &text)?;
    let instructions = instructions(listen, &socket, &config_path, &origins);
    Ok(Demo { config_path, socket, listen, origins, instructions })
}

/// The kernel takes short paths only: a deep folder gets its socket in the temporary one, in a folder that is ours
/// alone.
fn socket_in(dir: &Path) -> io::Result<PathBuf> {
    const NAME: &str = "control.sock";
    let here = dir.join(NAME);
    if here.as_os_str().len() <= MAX_SOCKET_PATH {
        return Ok(here);
    }
    let name = |n: u32| std::env::temp_dir().join(format!("lbd-demo-{}-{n}", std::process::id()));
    let made = (1..100).map(name).find_map(|own| match std::fs::DirBuilder::new().mode(0o700).create(&own) {
        Ok(()) => Some(Ok(own.join(NAME))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
        Err(error) => Some(Err(error)),
    });
    made.unwrap_or_else(|| {
        Err(io::Error::other("the temporary directory is full of folders of demonstrations"))
    })
}

/// The address is free at this moment; whoever binds it first has it.
fn free_address(preferred: u16) -> io::Result<SocketAddr> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, preferred))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    probe.local_addr()
}

fn config_text(listen: SocketAddr, socket: &Path, origins: &[Origin]) -> String {
    let mut text = TEMPLATE.replace("{listen}", &listen.to_string()).replace("{socket}", &quoted(socket));
    for origin in origins {
        text = text.replace(&format!("{{{}}}", origin.name()), &origin.address().to_string());
    }
    text
}

/// A path as it must stand between the quotes of a KDL string that expands `${}`.
fn quoted(path: &Path) -> String {
    path.display().to_string().replace('\\', r"\\").replace('"', "\\\"").replace("${", "$${")
}

/// Writes `demo.kdl`, or `demo-2.kdl` and so on when somebody edited the earlier ones.
fn write_config(dir: &Path, text: &str) -> io::Result<PathBuf> {
    let sealed = seal(text);
    for n in 1_u32.. {
        let name = if n == 1 { "demo.kdl".to_owned() } else { format!("demo-{n}.kdl") };
        let path = dir.join(name);
        match std::fs::read_to_string(&path) {
            Ok(found) if !is_sealed(&found) => continue,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) if e.kind() == io::ErrorKind::InvalidData => continue,
            Err(e) => return Err(e),
        }
        std::fs::write(&path, &sealed)?;
        return Ok(path);
    }
    Err(io::Error::other("no free name for demo.kdl"))
}

fn seal(text: &str) -> String {
    format!("{text}\n{SEAL}{}\n", digest(text))
}

fn is_sealed(found: &str) -> bool {
    let Some((text, tail)) = found.rsplit_once(&format!("\n{SEAL}")) else { return false };
    tail.trim_end() == digest(text)
}

fn digest(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes())[..8])
}

fn instructions(listen: SocketAddr, socket: &Path, config: &Path, origins: &[Origin]) -> String {
    let mut out = String::new();
    let config_name = config.display();
    let lbctl = format!("{} --socket {}", lbctl(), socket.display());
    let [one, two] = origins else { return out };
    let _ = write!(
        out,
        r#"
  open   http://{listen}/          a counter that only one server knows, and a WebSocket
  edit   {config_name}

  try    reload the page: the counter goes on, because you stay on your server
         edit the file, save, reload the page: the change is live, nothing was cut
         break the file, save: the log says where; the old configuration goes on
         curl -X POST 'http://{one}/ready?down'    server one calls itself unfit (?up ends it)
         curl -X POST 'http://{two}/ready?down'    the same for server two
         {lbctl} status
         {lbctl} drain app/one --wait
         {lbctl} ready app/one

  stop   Ctrl-C
"#,
        one = one.address(),
        two = two.address(),
    );
    out
}

/// How `lbctl` is called from here: the one that was built beside this binary, else by way of cargo.
fn lbctl() -> String {
    let beside = std::env::current_exe().ok().map(|exe| exe.with_file_name("lbctl"));
    match beside.filter(|path| path.exists()) {
        Some(path) => path.display().to_string(),
        None => "cargo run --release --quiet -p lbctl --".to_owned(),
    }
}
