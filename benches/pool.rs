//! What it costs to choose among 200 servers: all up, half of them, one in twenty; and to find who has an entry in a
//! sticky table, alone and while another thread does the same.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use lbd::pool::{
    Affinity, Ask, BalanceKind, ClientTable, DrainPolicy, HashKey, Pool, PoolSettings, ServerId,
    ServerSettings, Stamp, Wish,
};

struct Key(u64);

impl Affinity for Key {
    fn any_cookie(&self, _name: &str, _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn hash_key(&self, _key: &HashKey) -> u64 {
        self.0
    }
}

fn pool(balance: BalanceKind, gone: usize) -> Pool {
    let server = |i: usize| ServerSettings {
        name: format!("s{i}").into(),
        host: "127.0.0.1".into(),
        port: 8080,
        weight: i as u32 % 7 + 1,
        backup: false,
        health_port: None,
        limits: lbd::pool::ServerLimits::default(),
        origin: None,
    };
    let settings = PoolSettings {
        name: "app".into(),
        servers: (0..200).map(server).collect(),
        balance,
        sticky: Vec::new(),
        check: None,
        drain: DrainPolicy::default(),
        overload: lbd::pool::Overload::default(),
        websocket: lbd::pool::WebSocketPolicy::default(),
    };
    let pool = Pool::new(settings, None, 1);
    for member in pool.members.iter().take(gone) {
        member.server.admin.set(Wish::Maint, Stamp::now(None, None));
    }
    pool
}

fn acquire(criterion: &mut Criterion) {
    let kinds = [
        BalanceKind::RoundRobin,
        BalanceKind::LeastRequests,
        BalanceKind::LeastConnections,
        BalanceKind::P2c,
        BalanceKind::Random,
        BalanceKind::Hash(HashKey::SourceIp),
    ];
    for kind in kinds {
        for gone in [0, 100, 190] {
            let pool = pool(kind.clone(), gone);
            let name = format!("acquire/{}/{}-of-200", pool.balance.as_str(), 200 - gone);
            let mut key = Key(0);
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| {
                    key.0 = key.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
                    let client_ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
                    black_box(pool.acquire(&Ask { client_ip, affinity: &key, tried: &[], now: 0, worker: 0 }))
                        .is_ok()
                });
            });
        }
    }
}

fn find(criterion: &mut Criterion) {
    const CLIENTS: u128 = 100_000;
    let table = ClientTable::new(Duration::from_secs(1800), CLIENTS as usize);
    let key = |client: u128| client.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    (0..CLIENTS).for_each(|client| table.put(key(client), ServerId::of("a"), 1));
    // Few clients: their entries are in the cache, and what is measured is the way to them.
    let mut measure = |name: &str| {
        let mut client = 0;
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                client = (client + 1) % 64;
                black_box(table.find(key(client), 1)).is_some()
            });
        });
    };
    measure("sticky/find");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = 0;
            while !over.load(Ordering::Relaxed) {
                client = (client + 1) % 64;
                black_box(table.find(key(client), 1));
            }
        });
        measure("sticky/find-beside-another");
        over.store(true, Ordering::Relaxed);
    });
}

criterion_group!(benches, acquire, find);
criterion_main!(benches);
