//! Reading, places, inputs and digests.
