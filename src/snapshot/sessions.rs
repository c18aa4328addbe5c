//! What a pool says of long-lived streams, compiled: how servers leave, what WebSockets are told.

use crate::config::model;
use crate::pool::{DrainPolicy, DrainSticky, Rate, WebSocketPolicy};

/// `drain`.
pub(super) fn drain(pool: &model::Pool) -> DrainPolicy {
    DrainPolicy {
        deadline: pool.drain.deadline,
        sticky: match pool.drain.sticky {
            model::DrainSticky::Keep => DrainSticky::Keep,
            model::DrainSticky::Move => DrainSticky::Move,
        },
        close_rate: Rate { count: pool.drain.close_rate.count, per: pool.drain.close_rate.per },
        close_code: pool.drain.close_code,
    }
}

/// `websocket`.
pub(super) fn websocket(pool: &model::Pool) -> WebSocketPolicy {
    WebSocketPolicy { ping: pool.websocket.ping, lost_code: pool.websocket.lost_code }
}
