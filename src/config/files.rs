//! What the files of a configuration are, besides what they say: LB802 (others can change them), LB805 (a new version
//! never arrives).

use std::collections::BTreeSet;
use std::path::Path;

use super::diagnostic::{Diagnostic, Report, Severity};
use super::source::{Input, Loader, Sources};

/// Write permission of others.
const OTHERS_WRITE: u32 = 0o002;

/// In such a directory nobody replaces a file of somebody else.
const STICKY: u32 = 0o1000;

/// Looks at every file with text, and at the directories that files are taken from.
pub(super) fn check(sources: &Sources, loader: &dyn Loader, report: &mut Report) {
    let mut findings = Vec::new();
    let mut directories: BTreeSet<&Path> = BTreeSet::new();
    for (_, file) in sources.files() {
        let path = file.path();
        directories.extend(path.parent());
        let Some(facts) = loader.facts(path) else { continue };
        let shown = path.display();
        if facts.mode & OTHERS_WRITE != 0 {
            let message = format!("every user of this machine can change `{shown}`");
            findings.push(
                warning("LB802", message).help(format!("take the permission away: `chmod o-w {shown}`")),
            );
        }
        if facts.mounted {
            let message =
                format!("`{shown}` is mounted by itself: a new version that replaces it never arrives");
            let help =
                "mount its directory; in Kubernetes mount the ConfigMap as a directory, without `subPath`";
            findings.push(warning("LB805", message).help(help));
        }
    }
    let inputs = sources.inputs();
    directories.extend(inputs.iter().filter_map(|input| match input {
        Input::Directory(path) => Some(path.as_path()),
        Input::File(_) => None,
    }));
    for path in directories {
        let Some(facts) = loader.facts(path) else { continue };
        if facts.mode & OTHERS_WRITE != 0 && facts.mode & STICKY == 0 {
            let shown = if path.as_os_str().is_empty() { Path::new(".") } else { path }.display();
            let message = format!("every user of this machine can put a configuration into `{shown}`");
            findings.push(
                warning("LB802", message).help(format!("take the permission away: `chmod o-w {shown}`")),
            );
        }
    }
    report.findings.extend(findings);
}

fn warning(code: &'static str, message: String) -> Diagnostic {
    Diagnostic::new(code, Severity::Warning, None, message)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::load;
    use super::super::source::{FileFacts, FsLoader, Loader as _, MemLoader};
    use super::super::testing::BASE;

    fn found(extra: &str, about: &[(&str, u32, bool)]) -> Vec<String> {
        let main = format!("include \"conf.d/*.kdl\"\n{extra}");
        let mut loader = MemLoader::new().file("c/lbd.kdl", main).file("c/conf.d/a.kdl", BASE);
        for (path, mode, mounted) in about {
            loader = loader.about(*path, FileFacts { mode: *mode, mounted: *mounted });
        }
        let report = load(Path::new("c/lbd.kdl"), &loader).report;
        report.findings.iter().map(|finding| format!("{} {}", finding.code, finding.message)).collect()
    }

    #[test]
    fn files_and_directories_that_others_can_write_are_named() {
        let named = |about: &[(&str, u32, bool)]| -> Vec<String> {
            found("", about).iter().map(|one| one.split('`').nth(1).unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(named(&[("c/lbd.kdl", 0o644, false), ("c", 0o755, false)]), [""; 0]);
        assert_eq!(named(&[("c/conf.d/a.kdl", 0o666, false)]), ["c/conf.d/a.kdl"]);
        assert_eq!(named(&[("c/conf.d", 0o777, false)]), ["c/conf.d"]);
        assert_eq!(named(&[("c/conf.d", 0o1777, false)]), [""; 0], "others cannot replace what is there");
    }

    #[test]
    fn a_file_that_is_a_mount_is_named_and_may_be_allowed() {
        let mounted = [("c/lbd.kdl", 0o644, true)];
        let finding = "LB805 `c/lbd.kdl` is mounted by itself: a new version that replaces it never arrives";
        assert_eq!(found("", &mounted), [finding]);
        assert_eq!(found("lint { allow LB805 because=\"rolled out by restarts\"; }", &mounted), [""; 0]);
    }

    #[test]
    fn the_file_system_tells_modes() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lbd.kdl");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o646)).unwrap();
        assert_eq!(FsLoader.facts(&path), Some(FileFacts { mode: 0o646, mounted: false }));
        assert_eq!(FsLoader.facts(&dir.path().join("none")), None);
    }
}
