//! The Huffman code of header strings (RFC 7541, appendix B), decoded four bits at a time.
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, and each length goes on
//! where the one before it ended. So the lengths say all.

/// Bits of each symbol's code; the last symbol is EOS, which must not occur.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const EOS: u16 = 256;
/// A child of the tree from here on is a symbol.
const LEAF: u16 = 256;

/// What four bits do in one state, which is a node of the tree.
#[derive(Clone, Copy)]
struct Step {
    next: u8,
    symbol: u8,
    /// A symbol was completed.
    completes: bool,
    /// EOS was.
    breaks: bool,
}

struct Tables {
    steps: [[Step; 16]; 256],
    /// Whether the bits since the last symbol may be padding: fewer than eight, and all ones.
    may_end: [bool; 256],
}

static TABLES: Tables = tables();

/// Children of each inner node, of which there is one fewer than symbols. The root is node 0.
const fn tree() -> [[u16; 2]; 256] {
    let mut tree = [[0; 2]; 256];
    let (mut nodes, mut code, mut length) = (1, 0u32, 1);
    while length <= 30 {
        code <<= 1;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] == length {
                let (mut node, mut bit) = (0, length - 1);
                while bit > 0 {
                    let side = (code >> bit & 1) as usize;
                    if tree[node][side] == 0 {
                        tree[node][side] = nodes;
                        nodes += 1;
                    }
                    node = tree[node][side] as usize;
                    bit -= 1;
                }
                tree[node][(code & 1) as usize] = LEAF + symbol as u16;
                code += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    tree
}

const fn tables() -> Tables {
    let tree = tree();
    let nothing = Step {
        next: 0,
        symbol: 0,
        completes: false,
        breaks: false,
    };
    let mut steps = [[nothing; 16]; 256];
    let mut state = 0;
    while state < 256 {
        let mut bits = 0;
        while bits < 16 {
            let (mut node, mut step, mut bit) = (state as u16, nothing, 4);
            while bit > 0 {
                bit -= 1;
                node = tree[node as usize][bits >> bit & 1];
                if node >= LEAF {
                    step.breaks |= node - LEAF == EOS;
                    step.completes = true;
                    step.symbol = (node - LEAF) as u8;
                    node = 0;
                }
            }
            step.next = node as u8;
            steps[state][bits] = step;
            bits += 1;
        }
        state += 1;
    }
    let mut may_end = [false; 256];
    let (mut node, mut ones) = (0, 0);
    while ones < 8 {
        may_end[node as usize] = true;
        node = tree[node as usize][1];
        ones += 1;
    }
    Tables { steps, may_end }
}

/// Hands out the symbols of a coded string. None: EOS is in it, or its padding is too long or not all ones.
pub(super) fn decode(bytes: &[u8], mut symbol: impl FnMut(u8)) -> Option<()> {
    let mut state = 0;
    for &byte in bytes {
        for bits in [byte >> 4, byte & 15] {
            let step = TABLES.steps[usize::from(state)][usize::from(bits)];
            if step.completes {
                if step.breaks {
                    return None;
                }
                symbol(step.symbol);
            }
            state = step.next;
        }
    }
    TABLES.may_end[usize::from(state)].then_some(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Codes by symbol, each with its number of bits.
    fn codes() -> Vec<(u32, u8)> {
        let mut order: Vec<usize> = (0..LENGTHS.len()).collect();
        order.sort_by_key(|&symbol| LENGTHS[symbol]);
        let (mut codes, mut code, mut length) = (vec![(0, 0); LENGTHS.len()], 0, 0);
        for symbol in order {
            code <<= LENGTHS[symbol] - length;
            length = LENGTHS[symbol];
            codes[symbol] = (code, length);
            code += 1;
        }
        codes
    }

    /// A string in code, with the padding that it needs.
    pub(in crate::http2::hpack) fn encode(symbols: impl IntoIterator<Item = usize>) -> Vec<u8> {
        let codes = codes();
        let mut bits = Vec::new();
        for symbol in symbols {
            let (code, length) = codes[symbol];
            bits.extend((0..length).rev().map(|at| code >> at & 1 == 1));
        }
        bits.chunks(8)
            .map(|byte| {
                (0..8).fold(0, |sum, at| {
                    sum << 1 | u8::from(*byte.get(at).unwrap_or(&true))
                })
            })
            .collect()
    }

    fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut symbols = Vec::new();
        decode(bytes, |symbol| symbols.push(symbol))?;
        Some(symbols)
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        let codes = codes();
        for (symbol, code, length) in [
            (usize::from(b'0'), 0, 5),
            (usize::from(b'a'), 3, 5),
            (usize::from(b'z'), 0x7b, 7),
            (usize::from(b'\\'), 0x7fff0, 19),
            (usize::from(b'\n'), 0x3fff_fffc, 30),
            (256, 0x3fff_ffff, 30),
        ] {
            assert_eq!(codes[symbol], (code, length));
        }
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones() {
        assert_eq!(decoded(&[0b0001_1111]), Some(b"a".to_vec()));
        assert_eq!(decoded(&[0b0001_1110]), None, "not all ones");
        assert_eq!(decoded(&[0b0001_1111, 0xff]), None, "eleven bits");
        assert_eq!(decoded(&[0xff]), None, "eight bits and nothing else");
        assert_eq!(decoded(&encode([usize::from(b'a'), 256])), None, "EOS");
        assert_eq!(decoded(&[]), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn strings_come_back(text: Vec<u8>) {
            let coded = encode(text.iter().map(|&symbol| usize::from(symbol)));
            prop_assert_eq!(decoded(&coded), Some(text));
        }
    }
}
