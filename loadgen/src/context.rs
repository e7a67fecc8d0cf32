//! Trace contexts: the header line by which an application joins its spans to the request that caused them.

use aefm_workloads::ids::{span_id, trace_id};
use aefm_workloads::load::TraceContext;

/// Which context to write, from which seed.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    kind: TraceContext,
    seed: u64,
}

impl Context {
    /// None for [`TraceContext::None`].
    #[must_use]
    pub fn new(kind: TraceContext, seed: u64) -> Option<Self> {
        (kind != TraceContext::None).then_some(Self { kind, seed })
    }

    /// Header name, then what stands before, between and after the ids. The length of a line is the same for all
    /// requests, so that a line can be written over in place.
    const fn parts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self.kind {
            // Zipkin's single header: all that its four separate ones say.
            TraceContext::B3 => ("b3", "", "-", "-1"),
            TraceContext::Jaeger => ("uber-trace-id", "", ":", ":0:1"),
            TraceContext::W3c | TraceContext::None => ("traceparent", "00-", "-", "-01"),
        }
    }

    /// The header's name and value for request `number`.
    #[must_use]
    pub fn field(self, number: u64) -> (&'static str, String) {
        let (name, before, between, after) = self.parts();
        let (trace, span) = (trace_id(self.seed, number), span_id(self.seed, number));
        (name, format!("{before}{trace}{between}{span}{after}"))
    }

    /// The header's name.
    pub(crate) fn name(self) -> &'static str {
        self.parts().0
    }

    /// The length of its value.
    pub(crate) const fn value_bytes(self) -> usize {
        let (_, before, between, after) = self.parts();
        before.len() + 32 + between.len() + 16 + after.len()
    }

    /// Appends the header line.
    pub fn append(self, number: u64, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.name().as_bytes());
        bytes.extend_from_slice(b": ");
        self.append_value(number, bytes);
        bytes.extend_from_slice(b"\r\n");
    }

    /// Appends the header's value.
    pub(crate) fn append_value(self, number: u64, bytes: &mut Vec<u8>) {
        let (_, before, between, after) = self.parts();
        bytes.extend_from_slice(before.as_bytes());
        push_hex(&trace_id(self.seed, number).0, bytes);
        bytes.extend_from_slice(between.as_bytes());
        push_hex(&span_id(self.seed, number).0, bytes);
        bytes.extend_from_slice(after.as_bytes());
    }

    /// Writes this request's ids over those of a line that [`Self::append`] wrote at the start of `line`.
    pub fn overwrite(self, number: u64, line: &mut [u8]) {
        self.overwrite_value(number, &mut line[self.name().len() + 2..]);
    }

    /// The same for a value that [`Self::append_value`] wrote.
    pub(crate) fn overwrite_value(self, number: u64, value: &mut [u8]) {
        let (_, before, between, _) = self.parts();
        write_hex(&trace_id(self.seed, number).0, &mut value[before.len()..]);
        write_hex(
            &span_id(self.seed, number).0,
            &mut value[before.len() + 32 + between.len()..],
        );
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn push_hex(id: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend(
        id.iter()
            .flat_map(|&byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
    );
}

fn write_hex(id: &[u8], out: &mut [u8]) {
    for (&byte, pair) in id.iter().zip(out.chunks_exact_mut(2)) {
        pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_written_over_is_the_line_written_new(seed: u64, first: u64, then: u64, kind in 0..3) {
            let kind = [TraceContext::W3c, TraceContext::B3, TraceContext::Jaeger][kind as usize];
            let context = Context::new(kind, seed).unwrap();
            let (mut line, mut fresh) = (Vec::new(), Vec::new());
            context.append(first, &mut line);
            context.overwrite(then, &mut line);
            context.append(then, &mut fresh);
            prop_assert_eq!(&line, &fresh);
            let (name, value) = context.field(then);
            prop_assert_eq!(context.value_bytes(), value.len());
            prop_assert_eq!(String::from_utf8(fresh).unwrap(), format!("{name}: {value}\r\n"));
        }
    }

    #[test]
    fn contexts_have_their_forms() {
        let value = |kind| Context::new(kind, 1).unwrap().field(2).1;
        let (trace, span) = (trace_id(1, 2), span_id(1, 2));
        assert_eq!(value(TraceContext::W3c), format!("00-{trace}-{span}-01"));
        assert_eq!(value(TraceContext::B3), format!("{trace}-{span}-1"));
        assert_eq!(value(TraceContext::Jaeger), format!("{trace}:{span}:0:1"));
        assert!(Context::new(TraceContext::None, 1).is_none());
    }
}
