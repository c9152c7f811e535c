//! What every peer in Rust does with a payload, sandboxed or not.

/// The number of words: of what is between white space.
pub fn words(text: &str) -> u32 {
    if !text.is_ascii() {
        return text.split_whitespace().count() as u32;
    }
    let text = text.as_bytes();
    let first = text.first().is_some_and(|first| !is_space(*first));
    u32::from(first) + starts(text)
}

/// How many bytes are no white space and come after some. Without branches: where words end cannot be foretold.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
fn starts(text: &[u8]) -> u32 {
    let after = text.get(1..).unwrap_or_default();
    let starts = (text.iter().zip(after)).map(|(before, this)| u32::from(is_space(*before) & !is_space(*this)));
    starts.sum()
}

fn is_space(byte: u8) -> bool {
    (byte == b' ') | (byte.wrapping_sub(b'\t') < 5)
}
