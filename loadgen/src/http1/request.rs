//! The bytes of requests: made once for a fixed request, into a reused buffer for a workload's.

use crate::content::{Content, Fields};
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
    fn new(fields: &Fields, request: &Request, context: Option<Context>) -> Self {
        let mut bytes = Vec::with_capacity(512);
        write_head(&mut bytes, fields, request);
        let context_at = bytes.len();
        if let Some(context) = context {
            context.append(0, &mut bytes);
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&request.body);
        Self { bytes, context, context_at, bodiless: request.method == "HEAD" }
    }
}

/// Makes the bytes of request after request.
#[derive(Debug)]
pub(crate) enum Requests {
    Fixed(Fixed),
    Drawn { content: Content, fields: Fields, context: Option<Context>, request: Request, bytes: Vec<u8> },
}

impl Requests {
    pub(crate) fn new(content: &Content, fields: &Fields, context: Option<Context>) -> Self {
        match content {
            Content::Fixed(request) => Self::Fixed(Fixed::new(fields, request, context)),
            Content::Workload { .. } => Self::Drawn {
                content: content.clone(),
                fields: fields.clone(),
                context,
                request: Request::default(),
                bytes: Vec::with_capacity(1024),
            },
        }
    }

    /// The bytes of request `number`, and whether its answer has no body.
    pub(crate) fn bytes(&mut self, number: u64) -> (&[u8], bool) {
        match self {
            Self::Fixed(fixed) => {
                if let Some(context) = fixed.context {
                    context.overwrite(number, &mut fixed.bytes[fixed.context_at..]);
                }
                (&fixed.bytes, fixed.bodiless)
            }
            Self::Drawn { content, fields, context, request, bytes } => {
                content.fill(number, request);
                bytes.clear();
                write_head(bytes, fields, request);
                if let Some(context) = context {
                    context.append(number, bytes);
                }
                bytes.extend_from_slice(b"\r\n");
                bytes.extend_from_slice(&request.body);
                (bytes, request.method == "HEAD")
            }
        }
    }
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
