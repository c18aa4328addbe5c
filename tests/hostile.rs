//! Malformed requests and malformed answers. Each gets a status or a closed connection, no server sees what
//! it must not see, and the next good request works as if nothing had been.

mod leaks;
mod rates;
mod requests;
mod responses;
mod servers;
mod slow;
mod smuggling;
