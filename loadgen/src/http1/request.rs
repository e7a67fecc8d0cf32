//! The bytes of requests: made once for a fixed request, into a reused buffer for others.

use crate::content::Fields;
use crate::context::Context;
use aefm_workloads::mix::Request;

/// A request whose bytes are all the same but for the trace context, which is written over in place.
#[derive(Debug)]
pub(crate) struct Fixed {
    bytes: Vec<u8>,
    context: Option<Context>,
    /// Where the context's ids start in `bytes`.
    context_at: usize,
    bodiless: bool,
}

impl Fixed {
    pub(crate) fn new(fields: &Fields, request: &Request, context: Option<Context>) -> Self {
        let mut bytes = Vec::with_capacity(512);
        write_head(&mut bytes, fields, request);
        let context_at = bytes.len();
        if let Some(context) = context {
            context.append(0, &mut bytes);
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&request.body);
        Self {
            bytes,
            context,
            context_at,
            bodiless: request.method == "HEAD",
        }
    }

    /// Makes it the request of this number.
    pub(crate) fn number(&mut self, number: u64) {
        if let Some(context) = self.context {
            context.overwrite(number, &mut self.bytes[self.context_at..]);
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether its answer has no body.
    pub(crate) const fn bodiless(&self) -> bool {
        self.bodiless
    }
}

/// Writes a whole request; `context` with the request's number, if there is one.
pub(crate) fn write_request(
    bytes: &mut Vec<u8>,
    fields: &Fields,
    request: &Request,
    context: Option<(Context, u64)>,
) {
    write_head(bytes, fields, request);
    if let Some((context, number)) = context {
        context.append(number, bytes);
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&request.body);
}

/// Everything up to the trace context, each line ended.
fn write_head(bytes: &mut Vec<u8>, fields: &Fields, request: &Request) {
    bytes.extend_from_slice(request.method.as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(request.target.as_bytes());
    bytes.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in fields.for_request(request) {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    if !request.body.is_empty() || matches!(request.method, "POST" | "PUT" | "PATCH") {
        bytes.extend_from_slice(b"Content-Length: ");
        bytes.extend_from_slice(itoa(request.body.len(), &mut [0; 20]));
        bytes.extend_from_slice(b"\r\n");
    }
}

/// Decimal digits without an allocation.
fn itoa(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}
