//! The whole file: sections in, one configuration out, with a verdict on every line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::Imported;
use super::super::kdl::{self, Block, quoted, word};
use super::super::verdict::{Kind as Kept, Line as Told, Report, Verdicts};
use super::backend::{self, Backend, World};
use super::bind::{self, Listener, Taken};
use super::decide::Decider;
use super::expr::Atoms;
use super::fetch::Files;
use super::proxy::{self, Context, Use};
use super::rule::{Final, Rule};
use super::section::{Kind, Section, cut};
use super::site::{self, Frontend, Site};
use super::words::{self, Line};
use super::{acl, allowed, differs, emit, global, passing, sample, units};
use crate::config::format::format;
use crate::config::guard;
use crate::config::source::{Loader, MemLoader};
use crate::config::{self, render};

/// Imports the text of a `haproxy.cfg`. Files that it names are looked for beside `path`.
pub fn import(text: &str, path: &Path, loader: &dyn Loader) -> Imported {
    let end =
        text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|at| *at <= guard::MAX_BYTES).last();
    let lines = words::lines(&text[..end.unwrap_or(0)]);
    let mut verdicts = Verdicts::default();
    let sections = cut(&lines, &mut verdicts);
    let files = files(&sections, path, loader);
    let period = lines.iter().filter(|line| line.word(0) == "stick-table").find_map(proxy::period);
    let cx = Context { atoms: Atoms::default(), verdicts, files: &files, period };
    let whole = Whole {
        sections: &sections,
        cx,
        listeners: Vec::new(),
        pools: Vec::new(),
        backends: BTreeMap::new(),
        status: None,
    };
    whole.run(&lines, path)
}

/// What `global` says about files.
fn files<'a>(sections: &[Section<'_>], path: &'a Path, loader: &'a dyn Loader) -> Files<'a> {
    let of = |name: &str| {
        let lines = sections.iter().filter(|section| section.kind == Kind::Global).flat_map(Section::all);
        lines
            .filter(|line| line.word(0) == name)
            .last()
            .map(|line| line.word(1).to_owned())
            .unwrap_or_default()
    };
    Files {
        loader,
        folder: path.parent().unwrap_or(Path::new("")),
        ca_base: of("ca-base"),
        crt_base: of("crt-base"),
    }
}

struct Whole<'s, 'a> {
    sections: &'s [Section<'a>],
    cx: Context<'a>,
    /// Of `mode tcp`, which have no routes.
    listeners: Vec<Listener>,
    pools: Vec<(usize, Backend)>,
    /// Sections by name: the pool, and rules of its own.
    backends: BTreeMap<String, (Option<String>, Vec<Rule>)>,
    status: Option<String>,
}

impl<'s, 'a> Whole<'s, 'a> {
    fn run(mut self, lines: &'a [Line], path: &Path) -> Imported {
        self.heads();
        self.pools();
        let mut frontends = self.frontends();
        let atoms = std::mem::take(&mut self.cx.atoms.all);
        let mut decider = Decider::new(&atoms);
        let sites = match frontends.is_empty() {
            true => Vec::new(),
            false => site::sites(&mut frontends, &atoms, &mut decider),
        };
        differs::note(&decider.unsure, &mut self.cx.verdicts);
        self.left_over();
        let texts: emit::Texts<'_> = lines.iter().map(|line| (line.number, line.text.as_str())).collect();
        let source =
            path.file_name().map_or("haproxy.cfg".into(), |name| kdl::comment(&name.to_string_lossy()));
        let written = self.compose(&frontends, &sites, &texts, &source);
        let (config, remarks) = finished(&written);
        let tests = sample::expectations(&sites, &frontends, &atoms, &source);
        let tests = format(Path::new("routes.test.kdl"), &tests).unwrap_or(tests);
        Imported { config, tests, report: self.report(lines, remarks) }
    }

    /// What sections as such become.
    fn heads(&mut self) {
        let verdicts = &mut self.cx.verdicts;
        for section in self.sections {
            let n = section.head.number;
            match section.kind {
                Kind::Global => {
                    verdicts.mapped(n, "");
                    section.lines.iter().for_each(|line| global::verdict(line, verdicts));
                }
                Kind::Defaults => verdicts.mapped(n, "in each proxy that it holds for"),
                Kind::Frontend => verdicts.mapped(n, "listen, and routes"),
                Kind::Backend => verdicts.mapped(n, "pool"),
                Kind::Listen => verdicts.mapped(n, "listen, a route, and a pool"),
                Kind::Resolvers => verdicts.mapped(n, "resolver"),
                Kind::Other => {
                    let why = global::section(section.head.word(0));
                    verdicts.refused(n, why);
                    section
                        .lines
                        .iter()
                        .for_each(|line| verdicts.refused(line.number, format!("see line {n}")));
                }
            }
        }
    }

    fn pools(&mut self) {
        let verify_none =
            self.sections.iter().filter(|section| section.kind == Kind::Global).any(|section| {
                section.last(&["ssl-server-verify"]).is_some_and(|line| line.word(1) == "none")
            });
        let world = World { files: self.cx.files, verify_none };
        let mut names = BTreeSet::new();
        for section in self.sections.iter().filter(|s| matches!(s.kind, Kind::Backend | Kind::Listen)) {
            if is_disabled(section) {
                continue;
            }
            let first = kdl::name(&section.name);
            let pool = (1..)
                .map(|n| if n == 1 { first.clone() } else { format!("{first}-{n}") })
                .find(|name| names.insert(name.clone()));
            let pool = pool.unwrap_or(first);
            if pool != section.name {
                self.cx.verdicts.approximated(section.head.number, format!("its name is `{pool}` here"));
            }
            let backend = backend::read(section, pool.clone(), &world, &mut self.cx.verdicts);
            let served = backend.served;
            let rules = match section.kind {
                Kind::Backend => proxy::read(section, &mut self.cx).rules,
                _ => Vec::new(),
            };
            self.pools.push((section.head.number, backend));
            self.backends.insert(section.name.clone(), (served.then_some(pool), rules));
        }
    }

    /// The frontends that read requests; the others pass connections on.
    fn frontends(&mut self) -> Vec<Frontend> {
        let mut taken = Taken::default();
        let mut found = Vec::new();
        for section in self.sections.iter().filter(|s| matches!(s.kind, Kind::Frontend | Kind::Listen)) {
            if is_disabled(section) || self.is_status(section) {
                continue;
            }
            let mut rules = proxy::read(section, &mut self.cx);
            let served = self.backends.get(&section.name).is_some_and(|(pool, _)| pool.is_some());
            if section.kind == Kind::Listen && served {
                let own = Use {
                    line: section.head.number,
                    condition: acl::Condition::always(),
                    backend: section.name.clone(),
                };
                // A default_backend is asked for only when there is no server here.
                rules.uses.retain(|lead| lead.condition.expr != super::expr::Expr::Is(true));
                rules.uses.push(own);
            }
            let mut listeners = bind::read(section, self.cx.files, &mut taken, &mut self.cx.verdicts);
            for listener in &mut listeners {
                listener.per_address = rules.per_address;
            }
            if section.is_tcp() {
                passing::pass(
                    &mut listeners,
                    &rules,
                    &self.cx.atoms.all,
                    &self.backends,
                    &mut self.cx.verdicts,
                );
                self.listeners.extend(listeners);
            } else {
                let rules = proxy::inlined(rules, &self.backends, &mut self.cx.verdicts);
                found.push(Frontend { listeners, rules });
            }
        }
        found
    }

    /// A section that shows statistics and does nothing else is the status endpoint.
    fn is_status(&mut self, section: &Section<'a>) -> bool {
        let leads = |line: &&Line| {
            matches!(line.word(0), "use_backend" | "default_backend" | "server" | "http-request" | "redirect")
        };
        let stats = section.lines.iter().any(|line| line.word(0) == "stats");
        let bind = section.last(&["bind"]);
        let (true, None, Some(bind)) = (stats, section.all().find(leads), bind) else { return false };
        let address = bind.word(1).split(',').next().unwrap_or_default().trim_start_matches('*').to_owned();
        let verdicts = &mut self.cx.verdicts;
        if self.status.is_some() || config::values::listen_address(&address).is_err() {
            verdicts.refused(bind.number, "there is one `status`, on a TCP address");
            return true;
        }
        verdicts.approximated(bind.number, "status: plain HTTP, for private networks");
        let mut inner = Block::default();
        inner.line("allow-from \"127.0.0.0/8\" \"10.0.0.0/8\" \"172.16.0.0/12\" \"192.168.0.0/16\"");
        let mut block = Block::default();
        block.node(&format!("status {}", quoted(&address)), &inner);
        self.status = Some(block.as_str().to_owned());
        true
    }

    /// Verdicts on lines that nothing has looked at.
    fn left_over(&mut self) {
        let verdicts = &mut self.cx.verdicts;
        for section in self.sections {
            for line in &section.lines {
                if is_disabled(section) {
                    verdicts.approximated(line.number, "left out: the section is disabled");
                }
                if verdicts.has(line.number) {
                    continue;
                }
                let no = usize::from(line.word(0) == "no");
                match line.word(no) {
                    "option" => option(line, no, verdicts),
                    "timeout" => global::timeout(line, verdicts),
                    "stats" => verdicts.approximated(
                        line.number,
                        "`status` has live, ready and metrics; `lbctl top` is the page",
                    ),
                    "nameserver" if section.kind == Kind::Resolvers => {
                        verdicts.mapped(line.number, "resolver nameserver")
                    }
                    "hold" if section.kind == Kind::Resolvers && line.word(1) == "valid" => {
                        verdicts.mapped(line.number, "resolver refresh=");
                    }
                    _ if section.kind == Kind::Resolvers => verdicts
                        .approximated(line.number, "left out: names are asked again before their TTL ends"),
                    "maxconn"
                    | "balance"
                    | "cookie"
                    | "default-server"
                    | "acl"
                    | "hash-type"
                    | "retries"
                    | "http-reuse"
                    | "compression"
                    | "stick-table"
                    | "http-check"
                    | "default_backend"
                    | "hash-balance-factor"
                    | "http-request"
                    | "http-response"
                    | "redirect"
                    | "use_backend"
                    | "bind"
                    | "stick"
                    | "tcp-check"
                    | "retry-on" => {
                        verdicts.approximated(line.number, "left out: it has no meaning in this section");
                    }
                    _ if global::common(line, verdicts) => {}
                    other => verdicts.refused(
                        line.number,
                        format!("`{other}` is not known; look for what you want of it in the reference"),
                    ),
                }
            }
        }
    }

    fn compose(
        &mut self,
        frontends: &[Frontend],
        sites: &[Site],
        texts: &emit::Texts<'_>,
        source: &str,
    ) -> String {
        let mut out = Block::default();
        out.line("/- kdl-version 2");
        out.comment(&format!(
            "Made from {source} by `lbd import`. Each part names the lines that it comes from."
        ));
        for line in self.cx.verdicts.lets_through() {
            out.comment(&format!(
                "WARNING: line {line} kept requests out, and nothing here does: {}",
                texts.get(&line).map_or(String::new(), |text| kdl::comment(text))
            ));
        }
        out.line("");
        let hoisted = hoisted(sites);
        self.process(sites, &hoisted, &mut out);
        let listeners = frontends.iter().flat_map(|frontend| &frontend.listeners).chain(&self.listeners);
        for listener in listeners {
            out.line("");
            emit::comment(&mut out, &[listener.line], texts);
            listener.node(&mut out);
        }
        let used = self.used(sites);
        for (line, backend) in &self.pools {
            if !backend.written {
                continue;
            }
            out.line("");
            emit::comment(&mut out, &[*line], texts);
            let mut head = format!("pool {}", word(&backend.pool));
            if !used.contains(&backend.pool) {
                head.insert_str(0, "/-");
                self.cx.verdicts.approximated(*line, "no frontend leads here: turned off by `/-` in front");
            }
            out.node(&head, &backend.block);
        }
        out.append(&emit::sites(sites, &hoisted, texts));
        out.as_str().to_owned()
    }

    /// Nodes of the top level that are about the process.
    fn process(&mut self, sites: &[Site], hoisted: &[String], out: &mut Block) {
        let global = || self.sections.iter().filter(|section| section.kind == Kind::Global);
        if let Some(most) = global()
            .find_map(|section| section.last(&["maxconn"]))
            .and_then(|line| line.word(1).parse::<u32>().ok())
            .filter(|n| *n > 0)
        {
            out.line(format!("limits max-connections={most}"));
        }
        if let Some(status) = &self.status {
            out.line(status.trim_end());
        }
        self.resolver(out);
        self.captures(out);
        let mut pages = BTreeSet::new();
        for line in
            self.sections.iter().flat_map(|section| &section.lines).filter(|line| line.word(0) == "errorfile")
        {
            if line.word(1).parse().is_ok_and(|status: u16| (400..600).contains(&status)) {
                pages.insert(format!("/-error-page {} file={}", line.word(1), quoted(line.word(2))));
            }
        }
        pages.iter().for_each(|page| out.line(page));
        let allowed = allowed::block(sites, self.pools.iter().map(|(_, backend)| backend));
        if !allowed.is_empty() {
            out.node("lint", &allowed);
        }
        if !hoisted.is_empty() {
            let (mut defaults, mut route) = (Block::default(), Block::default());
            hoisted.iter().for_each(|node| route.line(node));
            defaults.node("route", &route);
            out.node("defaults", &defaults);
        }
    }

    fn resolver(&self, out: &mut Block) {
        let mut servers = Vec::new();
        let mut refresh = String::new();
        for line in self
            .sections
            .iter()
            .filter(|section| section.kind == Kind::Resolvers)
            .flat_map(|section| &section.lines)
        {
            match (line.word(0), line.word(1)) {
                ("nameserver", _)
                    if line
                        .word(2)
                        .rsplit_once(':')
                        .is_some_and(|(ip, _)| ip.parse::<std::net::IpAddr>().is_ok()) =>
                {
                    servers.push(quoted(line.word(2)));
                }
                ("hold", "valid") => {
                    refresh = units::duration(line.word(2))
                        .map_or(String::new(), |time| format!(" refresh={}", quoted(&time)));
                }
                _ => {}
            }
        }
        servers.truncate(8);
        let mut inner = Block::default();
        if !servers.is_empty() {
            inner.line(format!("nameserver {}", servers.join(" ")));
            out.node(&format!("resolver{refresh}"), &inner);
        }
    }

    fn captures(&self, out: &mut Block) {
        let mut inner = Block::default();
        let mut known = BTreeSet::new();
        for line in
            self.sections.iter().flat_map(|section| &section.lines).filter(|line| line.word(0) == "capture")
        {
            let key = match (line.word(1), line.word(2)) {
                ("request", "header") => format!("header:{}", line.word(3).to_ascii_lowercase()),
                ("cookie", name) => format!("cookie:{}", name.trim_end_matches('=')),
                _ => continue,
            };
            let good =
                key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)) && !key.ends_with(':');
            if good && known.insert(key.clone()) && known.len() <= 16 {
                inner.line(format!("capture {} hash=#false", quoted(&key)));
            }
        }
        if !inner.is_empty() {
            out.node("log", &inner);
        }
    }

    fn used(&self, sites: &[Site]) -> BTreeSet<String> {
        let routes = sites.iter().flat_map(|site| &site.routes);
        let led = routes.filter_map(|placed| match &placed.route.outcome.last {
            Final::Pool(pool) => Some(pool.clone()),
            _ => None,
        });
        let passed = self.listeners.iter().flat_map(|listener| listener.block.as_str().lines());
        let passed = passed.filter_map(|line| {
            Some(line.strip_prefix("tcp pool=")?.split(' ').next()?.trim_matches('"').to_owned())
        });
        led.chain(passed).collect()
    }

    fn report(&self, lines: &[Line], remarks: Vec<String>) -> Report {
        let told = |line: &Line| {
            let (verdict, note) =
                self.cx.verdicts.of(line.number).unwrap_or((Kept::Refused, "not understood".into()));
            Told { line: line.number, text: line.text.clone(), verdict, note }
        };
        let lets_through = self.cx.verdicts.lets_through();
        Report { lines: lines.iter().map(told).collect(), lets_through, remarks }
    }
}

fn is_disabled(section: &Section<'_>) -> bool {
    section.last(&["disabled"]).is_some()
}

fn option(line: &Line, no: usize, verdicts: &mut Verdicts) {
    let name = line.word(no + 1);
    match global::option(name) {
        _ if no == 1 || global::is_check(name) => {
            verdicts.mapped(line.number, "off, or nothing is checked here")
        }
        Some((kind, note)) => verdicts.note(line.number, kind, note),
        None if name == "forwardfor" => verdicts.mapped(line.number, "lbd writes X-Forwarded-For"),
        None => verdicts.refused(line.number, format!("`option {name}` is not known")),
    }
}

/// Nodes that every route to servers has.
fn hoisted(sites: &[Site]) -> Vec<String> {
    let served = |placed: &&site::Placed| matches!(placed.route.outcome.last, Final::Pool(_));
    let routes: Vec<_> = sites.iter().flat_map(|site| &site.routes).filter(served).collect();
    let Some(first) = routes.first().filter(|_| routes.len() > 1) else { return Vec::new() };
    let everywhere = |node: &&String| {
        (node.starts_with("retry") || node.starts_with("compress"))
            && routes.iter().all(|other| other.route.outcome.nodes.contains(*node))
    };
    first.route.outcome.nodes.iter().filter(everywhere).cloned().collect()
}

/// The text in order, and what lbd itself says of it.
fn finished(written: &str) -> (String, Vec<String>) {
    let path = Path::new("lbd.kdl");
    let text = format(path, written).unwrap_or_else(|_| written.to_owned());
    let loaded = config::load(path, &MemLoader::new().file(path, text.as_bytes()));
    let mut remarks: Vec<String> = loaded
        .report
        .findings
        .iter()
        .map(|finding| render::line(finding, &loaded.sources))
        .take(50)
        .collect();
    remarks.push("paths are compared after percent-encoding and dot segments are resolved, and hosts without their port".into());
    (text, remarks)
}
