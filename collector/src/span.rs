//! A span as every source delivers it, small enough to hold a case's millions.

mod origin;
mod times;

use aefm_workloads::ids::{SpanId, TraceId};
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use origin::Origin;
pub(crate) use origin::{Maker, UNKNOWN_SERVICE};
pub(crate) use times::{Times, Told, of_us};

/// Text that many spans share.
pub type Name = Arc<str>;

/// What a span is of, as OTLP numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpanKind {
    /// Work inside a service.
    Internal = 1,
    /// Serving a call.
    Server = 2,
    /// Making a call.
    Client = 3,
    /// Sending a message.
    Producer = 4,
    /// Receiving a message.
    Consumer = 5,
}

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
    /// Parent, where one is named.
    pub parent: Option<SpanId>,
    /// Who made it.
    pub origin: Arc<Origin>,
    /// Its name.
    pub operation: Name,
    /// What it is of, where that was said.
    pub kind: Option<SpanKind>,
    /// Start, ns since the epoch, as the service's clock said.
    pub start_ns: i64,
    /// Duration in ns, never negative.
    pub duration_ns: i64,
    /// It ended before it started; the duration was set to zero.
    pub negative: bool,
    /// Its end was not said; the duration was set to zero.
    pub unfinished: bool,
    /// It says that it failed.
    pub error: bool,
    /// HTTP status, where it has one.
    pub http_status: Option<u16>,
    /// Attributes as a JSON object; none where there are none.
    pub attributes: Option<Box<str>>,
    /// What few spans have.
    pub extra: Option<Box<Extra>>,
}

/// What few spans have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra {
    /// Events (logs) as a JSON array.
    pub events: Option<Box<str>>,
    /// Links to other spans as a JSON array.
    pub links: Option<Box<str>>,
    /// What the status says in words.
    pub status_message: Option<Box<str>>,
}

impl SpanKind {
    /// The kind of this OTLP number.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Internal),
            2 => Some(Self::Server),
            3 => Some(Self::Client),
            4 => Some(Self::Producer),
            5 => Some(Self::Consumer),
            _ => None,
        }
    }

    /// The kind of this name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        (1..=5)
            .filter_map(Self::from_number)
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// An HTTP status as attributes write it: a number, by some with a fraction of zeros.
pub(crate) fn http_status(text: &str) -> Option<u16> {
    let whole = text.split_once('.').map_or(text, |(whole, fraction)| {
        if fraction.bytes().all(|digit| digit == b'0') {
            whole
        } else {
            text
        }
    });
    whole.parse().ok()
}

impl Span {
    /// End, ns since the epoch.
    #[must_use]
    pub const fn end_ns(&self) -> i64 {
        self.start_ns.saturating_add(self.duration_ns)
    }

    /// About how many bytes of memory it takes; shared names are not counted.
    #[must_use]
    pub fn weight(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len() + 16);
        let extra = self.extra.as_ref().map_or(0, |extra| {
            size_of::<Extra>()
                + 16
                + text(&extra.events)
                + text(&extra.links)
                + text(&extra.status_message)
        });
        size_of::<Self>() + text(&self.attributes) + extra
    }
}

/// Shares equal names and origins between spans. Names without end (a hostile or careless operation name a request)
/// cannot fill the memory: beyond a bound it starts afresh, and what spans hold stays valid.
#[derive(Debug, Default)]
pub struct Names {
    names: HashSet<Name, RandomState>,
    origins: HashMap<Origin, Arc<Origin>, RandomState>,
}

/// So many distinct names are shared at a time, and none that is longer than this.
pub(crate) const NAMES: usize = 1 << 14;
const NAME_BYTES: usize = 1 << 10;

impl Names {
    /// The shared copy of `text`.
    pub fn name(&mut self, text: &str) -> Name {
        if let Some(name) = self.names.get(text) {
            return Arc::clone(name);
        }
        let name = Name::from(text);
        if text.len() <= NAME_BYTES {
            if self.names.len() >= NAMES {
                self.names.clear();
            }
            self.names.insert(Arc::clone(&name));
        }
        name
    }

    /// The shared copy of the origin of which no more than this is known.
    pub fn origin(&mut self, service: &str, pod: Option<&str>, node: Option<&str>) -> Arc<Origin> {
        let origin = Origin {
            service: self.name(service),
            pod: pod.map(|pod| self.name(pod)),
            node: node.map(|node| self.name(node)),
            host: None,
            ip: None,
        };
        self.shared(origin)
    }

    /// The shared copy of this origin.
    pub(crate) fn shared(&mut self, origin: Origin) -> Arc<Origin> {
        if let Some(shared) = self.origins.get(&origin) {
            return Arc::clone(shared);
        }
        if self.origins.len() >= NAMES {
            self.origins.clear();
        }
        let shared = Arc::new(origin.clone());
        self.origins.insert(origin, Arc::clone(&shared));
        shared
    }
}

/// What is known of shared values, found by their address: most spans' names are found without being read. It holds what
/// it knows, so that no address becomes another value's; beyond a bound it starts afresh.
#[derive(Debug)]
pub(crate) struct ByAddress<T: ?Sized, V> {
    known: HashMap<usize, (Arc<T>, V), RandomState>,
}

impl<T: ?Sized, V> Default for ByAddress<T, V> {
    fn default() -> Self {
        Self {
            known: HashMap::default(),
        }
    }
}

impl<T: ?Sized, V> ByAddress<T, V> {
    /// What is known of `shared`, or what `learn` says of it.
    pub(crate) fn of(&mut self, shared: &Arc<T>, learn: impl FnOnce() -> V) -> &mut V {
        let address = Arc::as_ptr(shared).cast::<u8>() as usize;
        if self.known.len() >= NAMES && !self.known.contains_key(&address) {
            self.known.clear();
        }
        &mut self
            .known
            .entry(address)
            .or_insert_with(|| (Arc::clone(shared), learn()))
            .1
    }
}

/// The value of each byte as a hex digit; [`NO_DIGIT`] of those that are none.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        values[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    values
};
const NO_DIGIT: u8 = 0x80;

/// An id of up to N bytes as others write it: hex in either case, with or without its leading zeros and `0x`, or base64.
/// Zero is no id.
pub(crate) fn id_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    bytes_of(text).filter(|bytes| *bytes != [0; N])
}

/// The parent that a text names, if it names one: nothing and zeros are how none is written.
///
/// # Errors
/// Something stands there that is no id. The span is then no root: whose child it is cannot be told.
pub(crate) fn parent_of(text: &str) -> Result<Option<SpanId>, NoId> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    match bytes_of(text) {
        Some(bytes) => Ok((bytes != [0; 8]).then_some(SpanId(bytes))),
        None if digits.bytes().all(|digit| digit == b'0') => Ok(None),
        None => Err(NoId),
    }
}

/// The same of bytes.
///
/// # Errors
/// As [`parent_of`].
pub(crate) fn parent_in(bytes: &[u8]) -> Result<Option<SpanId>, NoId> {
    match <[u8; 8]>::try_from(bytes) {
        Ok(id) if id != [0; 8] => Ok(Some(SpanId(id))),
        _ if bytes.iter().all(|byte| *byte == 0) => Ok(None),
        _ => Err(NoId),
    }
}

/// Something stands where an id belongs, and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoId;

fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let hex = text.strip_prefix("0x").unwrap_or(text);
    if hex.len() > 2 * N {
        return None;
    }
    let (mut bytes, mut seen) = ([0; N], 0);
    for (place, digit) in hex.bytes().rev().enumerate() {
        let value = VALUES[usize::from(digit)];
        seen |= value;
        bytes[N - 1 - place / 2] |= value << (place % 2 * 4);
    }
    if seen & NO_DIGIT != 0 {
        bytes = of_base64(text)?;
    }
    Some(bytes)
}

/// Bytes as the JSON of protobuf writes them, in either alphabet and with or without padding.
fn of_base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    use base64::Engine as _;
    use base64::alphabet::{STANDARD, URL_SAFE};
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    let bytes = GeneralPurpose::new(alphabet, config).decode(text).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use proptest::prelude::*;

    #[test]
    fn equal_names_are_one_and_endless_names_are_bounded() {
        let mut names = Names::default();
        assert!(Arc::ptr_eq(&names.name("geo"), &names.name("geo")));
        let origin = names.origin("geo", Some("geo-0"), None);
        assert!(Arc::ptr_eq(
            &origin,
            &names.origin("geo", Some("geo-0"), None)
        ));
        for number in 0..NAMES * 3 {
            let name = names.name(&number.to_string());
            assert_eq!(&*name, number.to_string());
        }
        assert!(names.names.len() <= NAMES);
    }

    #[test]
    fn what_is_known_by_address_is_learnt_once_and_never_mistaken() {
        let mut lengths = ByAddress::default();
        let name = Name::from("geo");
        assert_eq!(*lengths.of(&name, || 3), 3);
        assert_eq!(*lengths.of(&name, || unreachable!("it is known")), 3);
        // Each of these is dropped at once: were it not held, the next would get its address.
        for number in 0..NAMES * 2 {
            assert_eq!(
                *lengths.of(&Name::from(number.to_string().as_str()), || number),
                number
            );
            assert!(lengths.known.len() <= NAMES);
        }
    }

    proptest! {
        /// In each spelling the same id; too long, signed or broken it is none.
        #[test]
        fn ids_are_read_in_every_spelling(id: u64, is_upper: bool) {
            let text = |text: String| if is_upper { text.to_uppercase() } else { text };
            let expected = (id != 0).then(|| id.to_be_bytes());
            let base64 = base64::engine::general_purpose::STANDARD.encode(id.to_be_bytes());
            for spelt in [text(format!("{id:016x}")), text(format!("{id:x}")), format!("0x{id:x}"), base64.clone(),
                base64.trim_end_matches('=').to_owned(), base64.replace('+', "-").replace('/', "_")] {
                prop_assert_eq!(id_of::<8>(&spelt), expected, "{}", spelt);
            }
            let wide = (id != 0).then(|| u128::from(id).to_be_bytes());
            prop_assert_eq!(id_of::<16>(&text(format!("{id:032x}"))), wide);
            for none in [format!("{id:017x}"), format!("+{id:x}"), format!("{id:015x}g"), base64[1..].to_owned()] {
                prop_assert_eq!(id_of::<8>(&none), None, "{}", none);
            }
        }
    }

    proptest! {
        /// A parent is absent only where nothing, or nothing but zeros, stands there.
        #[test]
        fn an_unreadable_parent_is_no_absent_one(text in "(0x)?[0-9a-zA-Z+/=_ -]{0,40}|\\PC{0,20}") {
            let digits = text.strip_prefix("0x").unwrap_or(&text);
            let is_nothing = digits.bytes().all(|digit| digit == b'0') || digits.trim_end_matches('=').bytes().all(|digit| digit == b'A');
            match parent_of(&text) {
                Ok(None) => prop_assert!(is_nothing, "{}", text),
                Ok(Some(id)) => prop_assert_eq!(id_of(&text), Some(id.0)),
                Err(NoId) => prop_assert_eq!(id_of::<8>(&text), None),
            }
        }

        #[test]
        fn a_parent_in_bytes_is_eight_of_them(bytes in proptest::collection::vec(0..3_u8, 0..12)) {
            match parent_in(&bytes) {
                Ok(None) => prop_assert!(bytes.iter().all(|byte| *byte == 0)),
                Ok(Some(id)) => prop_assert_eq!(&id.0[..], &bytes[..]),
                Err(NoId) => prop_assert!(bytes.len() != 8 && bytes.iter().any(|byte| *byte != 0)),
            }
        }
    }

    #[test]
    fn kinds_go_by_number_and_name() {
        assert_eq!(SpanKind::from_number(2), Some(SpanKind::Server));
        assert_eq!(SpanKind::from_name("SERVER"), Some(SpanKind::Server));
        assert_eq!(SpanKind::from_number(0), None);
        assert_eq!(SpanKind::from_number(9), None);
    }
}
