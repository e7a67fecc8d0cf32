//! The W3C trace context of a request, and the span that a service makes under it.

use aefm_workloads::ids::{SpanId, TraceId};
use std::fmt;

/// What a `traceparent` header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent {
    /// The trace.
    pub(crate) trace: TraceId,
    /// The caller's span.
    pub(crate) span: SpanId,
    /// Whether the caller wants spans.
    pub(crate) sampled: bool,
}

/// A span that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndedSpan {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) name: String,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    /// What went wrong, where the service is to blame.
    pub(crate) error: Option<String>,
}

impl TraceParent {
    /// Reads a header; a header that is not valid to W3C counts as none, as the standard says.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let bytes = header.as_bytes();
        // Versions above 00 may say more behind what 00 says, after a dash.
        let rest = bytes.get(55);
        if bytes.len() < 55
            || [2, 35, 52].iter().any(|&at| bytes[at] != b'-')
            || rest.is_some_and(|&byte| byte != b'-')
        {
            return None;
        }
        let [version] = hex(&bytes[..2])?;
        let trace: [u8; 16] = hex(&bytes[3..35])?;
        let span: [u8; 8] = hex(&bytes[36..52])?;
        let [flags] = hex(&bytes[53..55])?;
        let valid = version != 0xff
            && (version != 0 || rest.is_none())
            && trace != [0; 16]
            && span != [0; 8];
        valid.then_some(Self {
            trace: TraceId(trace),
            span: SpanId(span),
            sampled: flags & 1 == 1,
        })
    }
}

/// Lower-case hex, as W3C demands.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{}-{}-{:02x}",
            self.trace,
            self.span,
            u8::from(self.sampled)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_workloads::ids::{span_id, trace_id};

    #[test]
    fn a_header_comes_back_as_it_was_written() {
        for request in 0..100 {
            let (trace, span) = (trace_id(9, request), span_id(9, request));
            let parent = TraceParent {
                trace,
                span,
                sampled: request % 2 == 0,
            };
            assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
        }
    }

    #[test]
    fn headers_that_are_not_valid_count_as_none() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(TraceParent::parse(good).is_some());
        assert!(
            TraceParent::parse(&good.replacen("00", "cc", 1)).is_some(),
            "a later version says at least this much"
        );
        assert!(TraceParent::parse(&format!("{}-more", good.replacen("00", "cc", 1))).is_some());
        for bad in [
            "",
            "00",
            &good[..54],
            &format!("{good}-more"),
            &format!("{good}0"),
            &good.replacen("00", "ff", 1),
            &good.replace(
                "0af7651916cd43dd8448eb211c80319c",
                "00000000000000000000000000000000",
            ),
            &good.replace("b7ad6b7169203331", "0000000000000000"),
            &good.to_uppercase(),
            &good.replace('-', "_"),
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
