//! The wire types and the client of lbd's control protocol.
