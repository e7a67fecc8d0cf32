//! The mix of `train-ticket`, after the original's request shape.

use super::{Request, text};
use crate::draw::Draw;
use rand::RngExt;

pub(super) fn query(draw: &mut Draw, request: &mut Request) {
    let (from, to) = if draw.random() {
        ("shanghai", "suzhou")
    } else {
        ("suzhou", "shanghai")
    };
    request.start_json("POST");
    request.write(format_args!("/api/v1/travelservice/trips/left"));
    // The day does not exist; the original asks for it, and the services take it as text.
    text::format(
        &mut request.body,
        format_args!(
            r#"{{"departureTime":"2100-11-31","startingPlace":"{from}","endPlace":"{to}"}}"#
        ),
    );
}

#[cfg(test)]
mod tests;
