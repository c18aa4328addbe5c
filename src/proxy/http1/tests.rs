//! The whole codec, against hyper.
