//! Why a head was refused.
//!
//! Each variant has one status and one sentence. A connection whose request was refused here is closed:
//! nothing behind a head that could not be trusted is read.

use std::fmt;

macro_rules! parse_errors {
    ($($(#[$doc:meta])* $name:ident $status:literal $reason:literal,)*) => {
        /// A head that is refused. The status is the answer to a client; the same fault in a server's response
        /// is a 502 whatever it says here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ParseError { $($(#[$doc])* $name,)* }

        impl ParseError {
            /// The status to answer a client with.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(ParseError::$name => $status,)* }
            }

            /// One sentence for a log line and for the answer's body.
            #[must_use]
            pub fn reason(self) -> &'static str {
                match self { $(ParseError::$name => $reason,)* }
            }

            /// Every error, for tables.
            pub const ALL: &'static [ParseError] = &[$(ParseError::$name,)*];
        }
    };
}

parse_errors! {
    /// The first line is not a request line.
    BadRequestLine 400 "the request line is malformed",
    /// The method is not a token, or the one that only HTTP/2's preface has.
    BadMethod 400 "the method is not one",
    /// The target is in no form that the method allows, or holds a byte that it must not.
    BadTarget 400 "the request target is malformed",
    /// The target alone exceeds its limit.
    TargetTooLong 414 "the request target is too long",
    /// `CONNECT` is not served.
    ConnectRefused 501 "CONNECT is not served",
    /// A version other than 1.0 and 1.1.
    UnsupportedVersion 505 "the HTTP version is not supported",
    /// The HTTP/2 connection preface on a port that speaks HTTP/1.
    Http2Preface 505 "HTTP/2 with prior knowledge is not spoken on this port",
    /// The first byte of a TLS handshake on a port that speaks plain HTTP.
    TlsOnPlainPort 400 "TLS was spoken to a plain HTTP port",
    /// The first line is not a status line.
    BadStatusLine 502 "the status line is malformed",
    /// A status below 100.
    BadStatus 502 "the status is out of range",
    /// A line that ends in LF without CR.
    BareLf 400 "a line of the head ends in a bare LF",
    /// A CR that is not followed by LF.
    BareCr 400 "the head contains a bare CR",
    /// A continuation line.
    ObsFold 400 "a field is folded over several lines",
    /// An empty name, white space before the colon, or a byte that no name may hold.
    BadFieldName 400 "a field name is malformed",
    /// A control byte in a value.
    BadFieldValue 400 "a field value contains a control byte",
    /// More fields than the limit.
    TooManyFields 431 "the head has too many fields",
    /// More bytes than the limit.
    TooLarge 431 "the head is too large",
    /// HTTP/1.1 without `Host`.
    MissingHost 400 "Host is missing",
    /// More than one `Host`.
    RepeatedHost 400 "Host is repeated",
    /// A `Host` that is empty or is no host.
    BadHost 400 "Host is malformed",
    /// The target names one authority and `Host` another.
    HostDisagrees 400 "Host and the request target name different authorities",
    /// More than one `Content-Length`, identical ones too.
    RepeatedLength 400 "Content-Length is repeated",
    /// A `Content-Length` that is not one plain decimal number of 64 bits.
    BadLength 400 "Content-Length is malformed",
    /// `Content-Length` beside `Transfer-Encoding`.
    ConflictingLength 400 "both Content-Length and Transfer-Encoding are present",
    /// A `Transfer-Encoding` other than exactly one `chunked`.
    BadTransferEncoding 400 "Transfer-Encoding is not exactly chunked",
    /// `Transfer-Encoding` in an HTTP/1.0 message.
    TransferEncodingOnHttp10 400 "Transfer-Encoding is present in an HTTP/1.0 message",
    /// CONNECT for a WebSocket whose version is not 13, the one that exists.
    BadWebSocket 400 "a WebSocket over HTTP/2 must have Sec-WebSocket-Version 13",
    /// A `Connection` field with an option that is no token, or with too many.
    BadConnection 400 "Connection is malformed",
    /// A field that has one value only stands there twice.
    RepeatedField 400 "a field that must be unique is repeated",
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for ParseError {}
