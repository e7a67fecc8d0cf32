//! Header blocks and bodies of requests: made once for a fixed request, into a reused buffer for a workload's.

use super::hpack;
use crate::content::{Content, Fields};
use crate::context::Context;
use aefm_workloads::mix::Request;

/// Makes request after request.
#[derive(Debug)]
pub(crate) struct Requests {
    content: Content,
    fields: Fields,
    context: Option<Context>,
    https: bool,
    request: Request,
    block: Vec<u8>,
    /// Where the trace context's value starts in `block`, which is at its end.
    context_at: usize,
    /// The request whose block and body are there; of a fixed one all but the trace context is.
    made: Option<u64>,
}

/// A request, ready to be put into frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    /// The header block.
    pub(crate) block: &'a [u8],
    /// The body; may be empty.
    pub(crate) body: &'a [u8],
    /// The answer has no body: it is a HEAD.
    pub(crate) bodiless: bool,
}

impl Requests {
    pub(crate) fn new(
        content: &Content,
        fields: &Fields,
        context: Option<Context>,
        https: bool,
    ) -> Self {
        Self {
            content: content.clone(),
            fields: fields.clone(),
            context,
            https,
            request: Request::default(),
            block: Vec::with_capacity(512),
            context_at: 0,
            made: None,
        }
    }

    /// Request `number`. It may be asked for again, to go on with its body.
    pub(crate) fn parts(&mut self, number: u64) -> Parts<'_> {
        if self.made != Some(number) {
            self.make(number);
        }
        Parts {
            block: &self.block,
            body: &self.request.body,
            bodiless: self.request.method == "HEAD",
        }
    }

    fn make(&mut self, number: u64) {
        if self.made.is_none() || matches!(self.content, Content::Workload(_)) {
            match &self.content {
                Content::Fixed(fixed) => self.request.clone_from(fixed),
                Content::Workload(drawn) => drawn.fill(number, &mut self.request),
                // Options refuse them with HTTP/2.
                Content::Scenario { .. } | Content::Script(_) => {}
            }
            self.block.clear();
            push_fields(&mut self.block, &self.fields, &self.request, self.https);
            if let Some(context) = self.context {
                hpack::push_name(&mut self.block, context.name(), context.value_bytes());
                self.context_at = self.block.len();
                context.append_value(number, &mut self.block);
            }
        } else if let Some(context) = self.context {
            context.overwrite_value(number, &mut self.block[self.context_at..]);
        }
        self.made = Some(number);
    }
}

/// Fields that HTTP/2 has other means for.
pub(crate) const CONNECTION_FIELDS: [&str; 6] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "te",
];

fn push_fields(block: &mut Vec<u8>, fields: &Fields, request: &Request, https: bool) {
    let is_host = |name: &str| name.eq_ignore_ascii_case("host");
    let host = fields
        .for_request(request)
        .find(|(name, _)| is_host(name))
        .map_or("", |(_, value)| value);
    hpack::push_request(block, request.method, https, host, &request.target);
    for (name, value) in fields
        .for_request(request)
        .filter(|(name, _)| !is_host(name))
    {
        hpack::push_name(block, name, value.len());
        block.extend_from_slice(value.as_bytes());
    }
    if !request.body.is_empty() || matches!(request.method, "POST" | "PUT" | "PATCH") {
        hpack::push_length(block, request.body.len());
    }
}
