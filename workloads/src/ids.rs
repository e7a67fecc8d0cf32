//! Trace and span ids that the load generator injects: computed, never stored, so that anyone can join by them.

use crate::draw::{derive, mix, unmix};
use std::fmt;

/// A W3C trace id of 16 bytes: the first half names the load phase's trace seed, the second half the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// A W3C span id of 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

/// The half of a trace id that all requests under one trace seed share. A collector routes spans to cases by it.
#[must_use]
pub const fn trace_prefix(seed: u64) -> u64 {
    // Never zero, since an all-zero id is invalid to W3C.
    derive(seed, 0x0074_7261_6365) | 1
}

/// The trace id of request `request` under trace seed `seed`.
#[must_use]
pub fn trace_id(seed: u64, request: u64) -> TraceId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&trace_prefix(seed).to_be_bytes());
    bytes[8..].copy_from_slice(&mix(request ^ seed).to_be_bytes());
    TraceId(bytes)
}

/// The client's own span id for that request: a span whose parent is this id is the root of the trace.
#[must_use]
pub fn span_id(seed: u64, request: u64) -> SpanId {
    SpanId((derive(seed, request ^ 0x7370_616e) | 1).to_be_bytes())
}

/// The request a trace id belongs to, where it was made under `seed`.
#[must_use]
pub fn request_of(seed: u64, id: TraceId) -> Option<u64> {
    (id.prefix() == trace_prefix(seed)).then(|| unmix(id.suffix()) ^ seed)
}

impl TraceId {
    /// The first half, shared by all traces of one trace seed.
    #[must_use]
    pub fn prefix(self) -> u64 {
        u64::from_be_bytes(self.0[..8].try_into().expect("eight of sixteen bytes"))
    }

    fn suffix(self) -> u64 {
        u64::from_be_bytes(self.0[8..].try_into().expect("eight of sixteen bytes"))
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_request_comes_back_from_its_trace_id(seed: u64, request: u64) {
            prop_assert_eq!(request_of(seed, trace_id(seed, request)), Some(request));
            prop_assert_eq!(request_of(seed.wrapping_add(1), trace_id(seed, request)), None);
        }

        #[test]
        fn ids_are_valid_for_w3c(seed: u64, request: u64) {
            prop_assert_ne!(trace_id(seed, request).0[..8].to_vec(), vec![0; 8]);
            prop_assert_ne!(span_id(seed, request).0, [0; 8]);
        }
    }

    #[test]
    fn ids_print_as_lower_case_hex() {
        assert_eq!(
            SpanId([0, 1, 2, 0xab, 4, 5, 6, 0xff]).to_string(),
            "000102ab040506ff"
        );
        assert_eq!(trace_id(1, 2).to_string().len(), 32);
    }
}
