//! Where an answer's body ends, and whether its connection goes on (RFC 9112, sections 6.3 and 9.3).

use super::fault::Fault;

/// What the head says of body and connection.
#[derive(Debug)]
pub(super) struct Framing {
    length: Length,
    coding: Coding,
    keep_alive: bool,
    version_11: bool,
}

/// What Content-Length says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Unsaid,
    Bytes(u64),
    /// No number, or several.
    Senseless,
}

/// The last of the transfer codings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Plain,
    Chunked,
    /// Anything else: the body goes on until the connection is closed.
    Other,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Framing {
    /// # Errors
    /// A body that is chunked twice, whose inner chunks nobody would read.
    pub(super) fn of(version_11: bool, fields: &[httparse::Header<'_>]) -> Result<Self, Fault> {
        let mut framing = Self {
            length: Length::Unsaid,
            coding: Coding::Plain,
            keep_alive: version_11,
            version_11,
        };
        for field in fields {
            // Lengths first: comparing them is cheaper than comparing names that cannot match.
            match field.name.len() {
                14 if field.name.eq_ignore_ascii_case("content-length") => {
                    framing.add_length(field.value);
                }
                17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                    framing.add_coding(field.value)?;
                }
                10 if field.name.eq_ignore_ascii_case("connection") => {
                    framing.add_options(field.value);
                }
                _ => {}
            }
        }
        Ok(framing)
    }

    /// A list of equal numbers counts as that number (RFC 9110, section 8.6).
    fn add_length(&mut self, value: &[u8]) {
        for item in items(value) {
            let length = digits(item).map_or(Length::Senseless, Length::Bytes);
            self.length = match self.length {
                Length::Unsaid => length,
                same if same == length => same,
                _ => Length::Senseless,
            };
        }
    }

    fn add_coding(&mut self, value: &[u8]) -> Result<(), Fault> {
        for item in items(value).filter(|item| !item.is_empty()) {
            self.coding = match (item.eq_ignore_ascii_case(b"chunked"), self.coding) {
                (true, Coding::Chunked) => return Err(Fault::Coding),
                (true, _) => Coding::Chunked,
                (false, _) => Coding::Other,
            };
        }
        Ok(())
    }

    fn add_options(&mut self, value: &[u8]) {
        if items(value).any(|option| option.eq_ignore_ascii_case(b"close")) {
            self.keep_alive = false;
        } else if items(value).any(|option| option.eq_ignore_ascii_case(b"keep-alive")) {
            self.keep_alive = true;
        }
    }

    /// How the body ends, and whether the connection may carry another request behind it. `bodiless`: the answer has no
    /// body whatever its fields say.
    ///
    /// # Errors
    /// Only the length could tell, and it makes no sense.
    pub(super) fn body(&self, bodiless: bool) -> Result<(Body, bool), Fault> {
        if bodiless {
            return Ok((Body::Length(0), self.keep_alive));
        }
        match (self.coding, self.length) {
            (Coding::Plain, Length::Bytes(length)) => Ok((Body::Length(length), self.keep_alive)),
            (Coding::Plain, Length::Senseless) => Err(Fault::Length),
            // Chunks count rather than a length beside them, and are not for HTTP/1.0. Whoever sends such an answer may
            // be thought by others to have sent two, so nothing more is read from it.
            (Coding::Chunked, length) => {
                let sound = length == Length::Unsaid && self.version_11;
                Ok((Body::Chunked, self.keep_alive && sound))
            }
            (Coding::Other, _) | (Coding::Plain, Length::Unsaid) => Ok((Body::UntilClose, false)),
        }
    }
}

fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Digits only: no sign, no blank inside.
fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these header lines say, in HTTP/1.1.
    fn said(fields: &[(&str, &str)]) -> Result<(Body, bool), Fault> {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| httparse::Header {
                name,
                value: value.as_bytes(),
            })
            .collect();
        Framing::of(true, &fields)?.body(false)
    }

    #[test]
    fn the_end_of_a_body_is_told_as_the_rfc_has_it() {
        const TE: &str = "Transfer-Encoding";
        const CL: &str = "Content-Length";
        for (fields, body) in [
            (vec![(CL, "5")], Ok((Body::Length(5), true))),
            (vec![(CL, "5, 5")], Ok((Body::Length(5), true))),
            (vec![(CL, "5"), (CL, "5")], Ok((Body::Length(5), true))),
            (vec![(CL, "5, 6")], Err(Fault::Length)),
            (vec![(CL, "5,")], Err(Fault::Length)),
            (vec![(CL, "")], Err(Fault::Length)),
            (vec![(CL, "5"), (CL, "x")], Err(Fault::Length)),
            (vec![(CL, "x"), (CL, "x")], Err(Fault::Length)),
            (vec![(TE, "chunked")], Ok((Body::Chunked, true))),
            (vec![(TE, "gzip, Chunked")], Ok((Body::Chunked, true))),
            (
                vec![(TE, "gzip"), (TE, "chunked")],
                Ok((Body::Chunked, true)),
            ),
            (vec![(TE, "chunked"), (TE, "")], Ok((Body::Chunked, true))),
            (vec![(TE, "chunked, chunked")], Err(Fault::Coding)),
            (vec![(TE, "chunked"), (TE, "chunked")], Err(Fault::Coding)),
            // Not chunked at last: until the connection is closed, whatever a length says.
            (vec![(TE, "gzip"), (CL, "5")], Ok((Body::UntilClose, false))),
            (vec![(CL, "5"), (TE, "gzip")], Ok((Body::UntilClose, false))),
            (vec![(TE, "chunked, gzip")], Ok((Body::UntilClose, false))),
            (vec![(TE, "chunked;q=1")], Ok((Body::UntilClose, false))),
            // Both: the chunks count, and the connection is not used again.
            (vec![(CL, "3"), (TE, "chunked")], Ok((Body::Chunked, false))),
            (vec![(TE, "chunked"), (CL, "x")], Ok((Body::Chunked, false))),
            (vec![], Ok((Body::UntilClose, false))),
        ] {
            assert_eq!(said(&fields), body, "{fields:?}");
        }
    }

    #[test]
    fn an_answer_without_a_body_may_say_what_it_likes() {
        let fields = [httparse::Header {
            name: "content-length",
            value: b"none",
        }];
        let framing = Framing::of(true, &fields).unwrap();
        assert_eq!(framing.body(true), Ok((Body::Length(0), true)));
    }
}
