//! Header blocks of RFC 7541's examples, of encoders of our own making, and broken ones.

use super::head::{Reader, Text};
use super::huffman::tests::encode;
use super::*;
use proptest::prelude::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| (digit as char).to_digit(16))
        .collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0].unwrap() << 4 | pair[1].unwrap()) as u8)
        .collect()
}

fn status(block: &[u8]) -> Option<u16> {
    Head::read(block).unwrap().status
}

#[test]
fn examples_of_the_rfc() {
    // C.5.1 and C.6.1: the same answer without and with Huffman codes.
    let plain = "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 \
                 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d";
    let coded = "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad \
                 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
    assert_eq!(status(&hex(plain)), Some(302));
    assert_eq!(status(&hex(coded)), Some(302));
    // C.1.2 and C.1.3: numbers.
    let mut block = Vec::new();
    push_number(&mut block, 0, 5, 1337);
    push_number(&mut block, 0, 8, 42);
    assert_eq!(block, [0x1f, 0x9a, 0x0a, 0x2a]);
}

#[test]
fn requests_are_literals() {
    let mut block = Vec::new();
    push_request(&mut block, "GET", false, "www.example.com", "/");
    // C.3.1, but for the authority, which is not to be remembered.
    assert_eq!(
        block,
        hex("82 86 84 01 0f 7777 772e 6578 616d 706c 652e 636f 6d")
    );
    block.clear();
    push_request(&mut block, "PUT", true, "h", "/x");
    push_name(&mut block, "X-Name", 1);
    push_length(&mut block, 120);
    assert_eq!(
        block,
        [
            b"\x02\x03PUT\x87\x04\x02/x\x01\x01h\0\x06x-name\x01".as_slice(),
            b"\x0f\x0d\x03120"
        ]
        .concat()
    );
}

#[test]
fn statuses_in_all_their_forms() {
    for (place, status_) in (8..).zip(STATUSES) {
        assert_eq!(status(&[0x80 | place]), Some(status_));
    }
    // A literal with a known name, with a name in letters, with one in Huffman codes; then a table without room.
    assert_eq!(status(b"\x08\x03503"), Some(503));
    assert_eq!(status(b"\0\x07:status\x03404"), Some(404));
    assert_eq!(status(b"\x10\x85\xb8\x84\x8d\x36\xa3\x03201"), Some(201));
    assert_eq!(status(b"\x20\x88"), Some(200));
    assert_eq!(status(b"\0\x01a\x01b"), None);
}

#[test]
fn lengths_are_found() {
    let head = |block: &[u8]| Head::read(block).unwrap();
    assert_eq!(head(b"\x88\x0f\x0d\x0242").length, Some(42));
    // The name in Huffman codes, and the number, too.
    let coded = head(b"\x88\0\x8a\x21\xea\x49\x6a\x4a\xd4\x16\xa9\x93\x3f\x82\x08\x9f");
    assert_eq!(
        (coded.status, coded.length, coded.malformed),
        (Some(200), Some(129), None)
    );
    assert_eq!(head(b"\x88\x0f\x0d\x014\x0f\x0d\x014").malformed, None);
}

#[test]
fn heads_that_are_against_the_rules_are_malformed() {
    let coded = |text: &str| {
        let bytes = encode(text.bytes().map(usize::from));
        [&[0x80 | bytes.len() as u8], bytes.as_slice()].concat()
    };
    let literal = |name: &str, value: &str| [vec![0], coded(name), coded(value)].concat();
    for (block, word) in [
        (b"\x88\x0f\x0d\x014\x0f\x0d\x015".to_vec(), "content-length"),
        (b"\x88\x0f\x0d\0".to_vec(), "content-length"),
        (b"\x88\x88".to_vec(), "two statuses"),
        (b"\x08\x03200\x08\x03200".to_vec(), "two statuses"),
        (b"\0\x01a\x01b\x88".to_vec(), "behind other fields"),
        (b"\x0f\x0d\x015\x88".to_vec(), "behind other fields"),
        (b"\x08\x0220".to_vec(), "three digits"),
        (b"\x08\x042000".to_vec(), "three digits"),
        (b"\x08\x040200".to_vec(), "three digits"),
        (b"\x08\x03 20".to_vec(), "three digits"),
        (b"\x08\x03099".to_vec(), "three digits"),
        (b"\x88\x82".to_vec(), "pseudo-field"),
        (b"\x88\x01\x01h".to_vec(), "pseudo-field"),
        (b"\x88\0\x05:path\x01/".to_vec(), "pseudo-field"),
        (b"\x88\0\x02:x\0".to_vec(), "pseudo-field"),
        (b"\x88\0\x01A\x01b".to_vec(), "name has a byte"),
        (b"\x88\0\x02a:\x01b".to_vec(), "name has a byte"),
        (b"\x88\0\x02a \x01b".to_vec(), "name has a byte"),
        (b"\x88\0\0\x01b".to_vec(), "no name"),
        (b"\x88\0\x01a\x03b\0c".to_vec(), "value has a byte"),
        (b"\x88\0\x01a\x01\r".to_vec(), "value has a byte"),
        (
            [b"\x88".to_vec(), literal("x", "a\nb")].concat(),
            "value has a byte",
        ),
        (
            [b"\x88".to_vec(), literal("xY", "a")].concat(),
            "name has a byte",
        ),
        (
            [b"\x88".to_vec(), literal("connection", "close")].concat(),
            "about the connection",
        ),
        (
            [b"\x88".to_vec(), literal("upgrade", "x")].concat(),
            "about the connection",
        ),
        (b"\x88\x0f\x2a\x07chunked".to_vec(), "about the connection"),
        (b"\x88\xb9".to_vec(), "about the connection"),
    ] {
        let malformed = Head::read(&block).unwrap().malformed;
        assert!(
            malformed.is_some_and(|own| own.contains(word)),
            "{block:?}: {malformed:?} without `{word}`"
        );
    }
    // The longest names that are kept, and longer ones that begin like them.
    let long = literal(
        "transfer-encoding-of-another-kind",
        "chunked, with a value of more than 24 bytes",
    );
    assert_eq!(
        Head::read(&[b"\x88", long.as_slice()].concat())
            .unwrap()
            .malformed,
        None
    );
}

#[test]
fn what_needs_a_table_or_breaks_off_is_refused() {
    // Places beyond the static table, a place 0, a table with room, numbers and texts that break off.
    for block in [
        b"\xbe".as_slice(),
        b"\x80",
        b"\x7e\x01a",
        b"\x3f\x01",
        b"\x21",
        b"\xff\xff\xff\xff\xff\x0f",
        b"\x08",
        b"\x08\x03",
        b"\x08\x0350",
        b"\x00\x05:stat",
        // A new size of the table behind a field.
        b"\x88\x20",
        // A field that is not looked at, in no Huffman code: padding of zeros, of a byte, EOS.
        b"\x88\0\x81\x18\x01b",
        b"\x88\0\x01a\x82\x1f\xff",
        b"\x88\0\x01a\x84\xff\xff\xff\xff",
    ] {
        assert!(Head::read(block).is_err(), "{block:?}");
    }
}

proptest! {
    #[test]
    fn digits_are_read_in_both_codes(number: u64) {
        let digits = number.to_string();
        let coded = encode(digits.bytes().map(usize::from));
        for (huffman, bytes) in [(false, digits.as_bytes()), (true, &coded)] {
            let read = Text { huffman, bytes }.spell(|_| true).and_then(|text| text.digits());
            prop_assert_eq!(read, Some(number));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(block in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Head::read(&block);
    }

    #[test]
    fn numbers_come_back(number in 0..1usize << 28, bits in 4..8u32) {
        let mut block = Vec::new();
        push_number(&mut block, 0, bits, number);
        let mut reader = Reader(&block);
        let first = reader.byte().unwrap();
        // Four bytes behind the first are taken: 28 bits and what the first one holds.
        prop_assert_eq!(reader.number(first, bits), Some(number));
        prop_assert!(reader.0.is_empty());
    }
}
