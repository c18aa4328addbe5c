//! Files that lie beside every example of a page, for what no page can spell out (certificates have a date).

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::LazyLock;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Name, mode, text.
type Fixture = (&'static str, u32, String);

/// Writes them into `directory`.
pub(in crate::linting) fn write(directory: &Path) {
    // An example that needs one more names it here and in its text.
    static FILES: LazyLock<Vec<Fixture>> = LazyLock::new(files);
    for (name, mode, text) in FILES.iter() {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
    }
}

fn files() -> Vec<Fixture> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "test authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issued = |names: &[&str]| {
        let key = KeyPair::generate().unwrap();
        (params_for(names).signed_by(&key, &authority).unwrap().pem(), key.serialize_pem())
    };
    let pair = |names: &[&str]| {
        let (chain, key) = issued(names);
        chain + &key
    };
    let shop: &[&str] = &["shop.example.com"];
    let (chain, key) = issued(shop);
    let ([leaf, lower, upper], leaf_key) = long_chain(&authority);
    let own = KeyPair::generate().unwrap();
    vec![
        ("soon.html", 0o600, "<p>soon".to_owned()),
        ("api.key", 0o600, "secret\n".to_owned()),
        ("ca.pem", 0o644, authority.pem()),
        ("site.pem", 0o600, pair(&["shop.example.com", "app.example.com"])),
        // Read by others.
        ("open.pem", 0o644, pair(shop)),
        // With its root.
        ("rooted.pem", 0o600, chain + &authority.pem() + &key),
        // Its upper two in each other's place; and the whole of it upside down.
        ("shuffled.pem", 0o600, [&*leaf, &upper, &lower, &leaf_key].concat()),
        ("reversed.pem", 0o600, [&*leaf_key, &upper, &lower, &leaf].concat()),
        // Without a subject alternative name.
        ("nameless.pem", 0o600, pair(&[])),
        // With what is no answer of an authority beside it.
        ("stapled.pem", 0o600, pair(shop)),
        ("stapled.pem.ocsp", 0o600, "not an answer\n".to_owned()),
        // The key of no certificate here.
        ("other.key", 0o600, KeyPair::generate().unwrap().serialize_pem()),
        // A server's own, for a name and no address.
        ("server.pem", 0o644, params_for(&["app.internal"]).self_signed(&own).unwrap().pem()),
    ]
}

/// A certificate, the one that issued it, and the one that issued that, with the key of the first.
fn long_chain(root: &CertifiedIssuer<'_, KeyPair>) -> ([String; 3], String) {
    let authority = |name: &str| {
        let mut params = params_for(&[name]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let upper = CertifiedIssuer::signed_by(authority("upper"), KeyPair::generate().unwrap(), root).unwrap();
    let lower = CertifiedIssuer::signed_by(authority("lower"), KeyPair::generate().unwrap(), &upper).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = params_for(&["shop.example.com"]).signed_by(&key, &lower).unwrap();
    ([leaf.pem(), lower.pem(), upper.pem()], key.serialize_pem())
}

fn params_for(names: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
    params.is_ca = IsCa::ExplicitNoCa;
    params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("nameless"));
    params
}
