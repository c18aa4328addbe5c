//! What it costs to choose among 200 servers: all up, half of them, one in twenty.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use lbd::pool::{
    Affinity, Ask, BalanceKind, DrainPolicy, HashKey, Pool, PoolSettings, ServerSettings, Stamp, Wish,
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

criterion_group!(benches, acquire);
criterion_main!(benches);
